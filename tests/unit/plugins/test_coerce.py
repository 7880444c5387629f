import pytest

from dioptra_ray.plugins.coerce import KINDS, coerce


@pytest.mark.parametrize("kind", ["list", "mapping"])
def test_deep_nesting_is_refused_like_any_wrong_text(kind: str) -> None:
    with pytest.raises(ValueError, match=f"is not a {kind}"):
        coerce(kind, "[" * 100_000)


def test_message_shows_the_text_and_the_type() -> None:
    with pytest.raises(ValueError, match=r"^'1\.5' is not an integer\.$"):
        coerce("integer", "1.5")


def test_long_texts_are_shortened() -> None:
    with pytest.raises(ValueError) as caught:
        coerce("integer", "x" * 10_000)
    assert len(str(caught.value)) < 100


def test_unknown_type_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=", ".join(KINDS)):
        coerce("number", "1")
