"""JSON from hostile sources: repeated keys are reported, size and depth are bounded."""

import json
from collections.abc import Callable
from typing import Any

from dioptra_ray.language.issues import Issue
from dioptra_ray.language.limits import find_excess
from dioptra_ray.language.yaml_reader import Document, is_text, read_yaml


def read_json(text: str, *, file: str | None = None) -> Document:
    """Read one JSON document; never raises."""
    repeated: list[str] = []

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key, value in pairs:
            if key in built:
                repeated.append(key)
            built[key] = value
        return built

    try:
        value = json.loads(text, object_pairs_hook=build)
    except json.JSONDecodeError as error:
        message = f"Not valid JSON: {error.msg}."
        return _problem("syntax.invalid", message, file, (error.lineno, error.colno))
    except RecursionError:
        return _problem("syntax.too_deep", "The JSON text is nested too deeply.", file)
    except ValueError as error:
        return _problem("syntax.value", f"A number cannot be read: {error}.", file)

    def read_places() -> Document:
        # JSON is YAML but for tabs between its parts, so the YAML reader knows the places.
        return read_yaml(text.replace("\t", " "), file=file)

    problem = _find_problem(value, repeated, read_places, file)
    return problem or Document(value=value, locate=lambda: read_places().locate())


def _find_problem(
    value: Any, repeated: list[str], read_places: Callable[[], Document], file: str | None
) -> Document | None:
    if repeated:
        placed = tuple(i for i in read_places().issues if i.code == "syntax.duplicate_key")
        if placed:
            return Document(issues=placed)
        return _problem("syntax.duplicate_key", f"The key {repeated[0]!r} is given twice.", file)
    excess = find_excess(value)
    if excess is not None:
        return _problem("syntax.too_large", f"The text is too large: {excess}.", file)
    if not is_text(json.dumps(value, ensure_ascii=False)):
        message = "A string has half of a surrogate pair, which is no character."
        return _problem("syntax.value", message, file)
    return None


def _problem(
    code: str, message: str, file: str | None, position: tuple[int, int] = (1, 1)
) -> Document:
    line, column = position
    issue = Issue(severity="error", code=code, message=message, line=line, column=column, file=file)
    return Document(issues=(issue,))
