"""Everything that is wrong with a description, found in one pass."""

from collections.abc import Iterator, Mapping
from typing import Any

from dioptra_ray.language.issues import Issue
from dioptra_ray.language.limits import find_excess
from dioptra_ray.language.types.errors import TypesTooLargeError
from dioptra_ray.language.validation.execution import execution_is_well_formed
from dioptra_ray.language.validation.findings import Finding
from dioptra_ray.language.validation.placing import to_issue
from dioptra_ray.language.validation.rules import apply_rules
from dioptra_ray.language.validation.schema import check_shape
from dioptra_ray.language.validation.scope import Scope
from dioptra_ray.language.validation.sound import SoundScope
from dioptra_ray.language.validation.thorough import apply_thoroughly

__all__ = ["validate"]


def validate(
    description: Any,
    artifact_tasks: Mapping[str, Mapping[str, Any] | None] | None = None,
    *,
    thorough: bool = False,
) -> list[Issue]:
    """The problems of a description; it is valid when none of them is an error. Never raises.

    Dioptra leaves checks out that an earlier problem could make meaningless. A thorough
    validation applies them to what is sound, so that all that has to be repaired is known at
    once; it leaves out what only follows from another problem.

    Args:
        description: What `load` returned, or any value.
        artifact_tasks: The artifact tasks that may be used, each with the JSON schema of its
            arguments (`properties`) or None. Without it, no artifact task is known.
        thorough: Whether to look further than Dioptra does; valid is the same either way.
    """
    try:
        findings = list(_find(description, artifact_tasks or {}, thorough=thorough))
    except TypesTooLargeError as error:
        findings = [_too_large(error.message)]
    except RecursionError:
        findings = [_too_large("its types or values are nested too deeply")]
    return [to_issue(finding, description) for finding in findings]


def _find(
    description: Any, artifact_tasks: Mapping[str, Any], *, thorough: bool
) -> Iterator[Finding]:
    excess = find_excess(description)
    if excess is not None:
        yield _too_large(excess)
        return
    shape = list(check_shape(description, artifact_tasks))
    yield from shape
    findings = [] if shape else list(apply_rules(Scope(description)))
    is_wrong = shape or any(finding.severity == "error" for finding in findings)
    if thorough and is_wrong and isinstance(description, Mapping):
        findings = list(apply_thoroughly(SoundScope(description, shape)))
    yield from findings
    if isinstance(description, Mapping):
        yield from execution_is_well_formed(description)


def _too_large(excess: str) -> Finding:
    return Finding(
        code="description.too_large", message=f"The description is too large: {excess}.", path=()
    )
