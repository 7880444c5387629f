"""Refuses dependencies that drift: what is asked for is pinned, and the pins are installed.

Which versions have known holes only a service can say: `pip-audit` (CONTRIBUTING.md) asks one, and
these pins are what it looks at.
"""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)")
# Its builds differ in their local version ("2.13.0+cpu"), so the Makefile names it, not a pin.
_ELSEWHERE = frozenset({"torch"})


def read_pins(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, version and trouble ("" if none) of each line of constraints."""
    seen: set[str] = set()
    for line in text.splitlines():
        content = line.partition("#")[0].strip()
        if not content:
            continue
        match = _PIN.match(content)
        if match is None:
            yield content, "", f"constraints.txt: {content!r} pins no version"
            continue
        name = canonicalize_name(match["name"])
        yield name, match["version"], f"constraints.txt: {name} is pinned twice" * (name in seen)
        seen.add(name)


def list_requirements(project: Mapping[str, Any]) -> Iterator[Requirement]:
    """What the project and its groups ask for, but for itself."""
    table = project["project"]
    groups = [*table.get("optional-dependencies", {}).values()]
    groups += project.get("dependency-groups", {}).values()
    for text in [*table["dependencies"], *(one for group in groups for one in group)]:
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) != table["name"]:
            yield requirement


def find_drift(project: Mapping[str, Any], constraints: str) -> Iterator[str]:
    """What is wrong, in words."""
    pins: dict[str, str] = {}
    for name, version, trouble in read_pins(constraints):
        pins.setdefault(name, version)
        if trouble:
            yield trouble
    for requirement in list_requirements(project):
        name = canonicalize_name(requirement.name)
        if name in _ELSEWHERE:
            continue
        if name not in pins:
            yield f"{name} is asked for, but constraints.txt does not pin it"
        elif not requirement.specifier.contains(pins[name], prereleases=True):
            yield f"{name}: {requirement} is asked for, but pinned is {pins[name]}"


def find_foreign(pins: Mapping[str, str], installed: Mapping[str, str]) -> Iterator[str]:
    """What is installed in another version than the pinned one."""
    for name, version in sorted(pins.items()):
        found = installed.get(name, version)
        if found.partition("+")[0] != version.partition("+")[0]:
            yield f"{name} {found} is installed, but pinned is {version}: `make venv` mends it"


def main() -> int:
    """Entry point."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = {name: version for name, version, _ in read_pins(constraints)}
    installed = {
        canonicalize_name(one.metadata["Name"]): one.version for one in metadata.distributions()
    }
    problems = [*find_drift(project, constraints), *find_foreign(pins, installed)]
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
