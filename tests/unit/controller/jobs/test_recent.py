from dioptra_controller.jobs.recent import Recent


def test_values_are_made_once_and_the_least_recently_used_is_forgotten() -> None:
    made: list[str] = []
    recent: Recent[str, str] = Recent(2)

    def get(key: str) -> str:
        def make() -> str:
            made.append(key)
            return key.upper()

        return recent.get(key, make)

    assert [get(key) for key in "abacab"] == list("ABACAB")
    # "b" was the one that nobody had asked for when "c" came.
    assert "".join(made) == "abcb"
