"""What the soak takes for growth."""

from dataclasses import replace

from tests.chaos.soak import Sample, Usage, problems

MIB = 1024**2


def samples(count: int = 40, **growth: int) -> list[Sample]:
    """Samples of which something grows by so much each time."""

    def usage(number: int, who: str) -> Usage:
        return Usage(
            memory=100 * MIB + number * growth.get(f"{who}_memory", 0),
            descriptors=50 + number * growth.get(f"{who}_descriptors", 0),
            threads=30 + number * growth.get(f"{who}_threads", 0),
        )

    return [
        Sample(
            seconds=10.0 * number,
            jobs=100 * number,
            kept=5 * number,
            controller=usage(number, "controller"),
            runner=usage(number, "runner"),
            processes=20 + number * growth.get("processes", 0),
            database=100 * number * 10_000,
            store=5 * number * 200_000,
        )
        for number in range(count)
    ]


def test_what_stays_as_it_is_or_grows_with_the_work_is_no_problem() -> None:
    assert not problems(samples())


def test_everything_that_grows_with_time_is_named() -> None:
    for name, step, said in (
        ("controller_memory", 3 * MIB, "memory of the controller"),
        ("runner_memory", 3 * MIB, "memory of the runner"),
        ("runner_descriptors", 1, "descriptors of the runner"),
        ("controller_threads", 1, "threads of the controller"),
        ("processes", 1, "number of processes"),
    ):
        (found,) = problems(samples(**{name: step}))
        assert found.startswith(f"{said} grew from ")


def test_a_database_and_a_store_that_grow_faster_than_the_work_are_named() -> None:
    good = samples()
    last = replace(good[-1], database=good[-1].jobs * 50_000, store=10**9)
    database, store = problems([*good[:-1], last])
    assert database == f"the database has {last.database} bytes for {last.jobs} jobs"
    assert store == f"the store has {last.store} bytes for {last.kept} artifacts"


def test_too_few_samples_prove_nothing() -> None:
    assert "for longer" in problems(samples(7))[0]
