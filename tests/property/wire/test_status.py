"""Every error of ours survives the wire with all that it carries."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from dioptra_ray import errors
from dioptra_ray.language.issues import Issue
from dioptra_ray.wire.status import from_status, to_status


def tree(kind: type[errors.DioptraError]) -> Iterator[type[errors.DioptraError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from tree(child)


texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=50)
names = st.text(alphabet="abcdefgh_", min_size=1, max_size=8)
lines = st.none() | st.integers(min_value=1, max_value=2**31 - 1)
issues = st.builds(
    Issue,
    severity=st.sampled_from(["error", "warning"]),
    code=texts,
    message=texts,
    path=texts,
    line=lines,
    column=lines,
    file=st.none() | names,
)
kinds = st.sampled_from(sorted(tree(errors.DioptraError), key=lambda kind: kind.__name__))


@given(kinds, texts, st.dictionaries(names, texts), st.lists(issues, max_size=5))
def test_round_trip(
    kind: type[errors.DioptraError], message: str, metadata: dict[str, str], found: list[Issue]
) -> None:
    if issubclass(kind, errors.InvalidDescriptionError):
        error: errors.DioptraError = kind(message, found, **metadata)
    else:
        error = kind(message, **metadata)
    back = from_status(to_status(error))
    assert type(back) is kind
    assert back.message == message
    assert back.metadata == metadata
    assert getattr(back, "issues", ()) == getattr(error, "issues", ())
