"""The runs recorded from Dioptra, and where we differ from them on purpose."""

import json
from pathlib import Path
from typing import Any

Case = dict[str, Any]

FOLDER = Path(__file__).parent / "cases"
PLUGINS = FOLDER / "plugins"
CASES: list[Case] = [json.loads(line) for line in (FOLDER / "run.jsonl").read_text().splitlines()]
VALID = [case for case in CASES if "engine-only" not in case["tags"]]
ENGINE_ONLY = [case for case in CASES if "engine-only" in case["tags"]]

# What we do better than Dioptra, on purpose: id -> (why, the changed expectation).
DIFFERENCES: dict[str, tuple[str, dict[str, Any]]] = {
    "r156": (
        "B3: the names that the entrypoint declares are the ones that references use",
        {"steps": {"s": {"value": 5}}, "parameters": {}},
    ),
    "r162": (
        "B4: a missing artifact task is a failure like others, not an exit of the process",
        {"error": "ArtifactTaskNotFoundError", "step": "artifacts.a", "steps": {}},
    ),
}


def expectation(case: Case) -> dict[str, Any]:
    """What has to come of a case."""
    return DIFFERENCES.get(case["id"], ("", case["expect"]))[1]


def title(case: Case) -> str:
    """Names a case in a test report."""
    return f"{case['id']} {case['title']}"


def lay_out_artifact(artifact: dict[str, Any], folder: Path) -> Path:
    """Make the file or directory that is given for an artifact parameter."""
    path = folder / str(artifact["path"])
    path.parent.mkdir(parents=True)
    if "text" in artifact:
        path.write_text(artifact["text"])
    else:
        path.mkdir()
        for file, text in artifact["files"].items():
            (path / file).write_text(text)
    return path


def content_of(path: Path) -> dict[str, Any]:
    """A made artifact as the cases write it."""
    if path.is_file():
        return {"text": path.read_text()}
    return {"files": {file.name: file.read_text() for file in path.iterdir()}}
