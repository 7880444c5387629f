import pytest
from hypothesis import given
from hypothesis import strategies as st

from dioptra_ray.language.paths import from_json_path, to_json_path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "$"),
        (("graph", "train", "model", 0), "$.graph.train.model[0]"),
        (("graph", "step one"), '$.graph["step one"]'),
        (("a", 'x"]y', None, True), '$.a["x\\"]y"][null][true]'),
    ],
)
def test_examples(path, text):
    assert to_json_path(path) == text
    assert from_json_path(text) == path


@given(st.lists(st.text() | st.integers() | st.none() | st.booleans()))
def test_paths_survive_the_round_trip(parts):
    assert from_json_path(to_json_path(parts)) == tuple(parts)


@pytest.mark.parametrize("text", ["", "a", "$a", "$.a b", "$[1", "$[x]"])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError):
        from_json_path(text)
