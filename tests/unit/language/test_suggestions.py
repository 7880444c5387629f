from dioptra_ray.language.suggestions import Suggestions, closest, did_you_mean


def test_the_closest_name_is_found():
    assert closest("trian", ["test", "train"]) == "train"
    assert closest("Train", ["trainer", "train"]) == "train"


def test_nothing_is_guessed_from_far_away_or_from_no_text():
    assert closest("abc", ["xyz"]) is None
    assert closest(3, ["3"]) is None
    assert did_you_mean("", ["a"]) == ""


def test_suggestions_end():
    suggest = Suggestions(limit=1)
    assert [suggest("ab", ["abc"]), suggest("ab", ["abc"])] == [" Did you mean 'abc'?", ""]
