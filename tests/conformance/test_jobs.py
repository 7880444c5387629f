"""Names, creation of jobs, timeouts and states against Dioptra's REST service (jobs.jsonl).

Its answers map to ours by rule: 200 to success, 409 to AlreadyExistsError, 400 to
InvalidRequestError (InvalidDescriptionError is one) or PreconditionError. Where we differ on
purpose, a function below says so and why; such a case must then really differ.
"""

import contextlib
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dioptra_controller.jobs.state import JobLife, JobState
from dioptra_ray.client import Client
from dioptra_ray.errors import (
    AlreadyExistsError,
    DioptraError,
    InvalidRequestError,
    PreconditionError,
)
from dioptra_ray.planning.declarations import read_duration
from dioptra_ray.wire.values import TextValue
from tests.integration.registry.serving import serve

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "jobs.jsonl").read_text().splitlines()
]
REFUSED = (InvalidRequestError, PreconditionError)


def cases_of(*kinds: str) -> Any:
    chosen = [case for case in CASES if case["kind"] in kinds]
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in chosen])


def http_of(error: DioptraError | None) -> int:
    if error is None:
        return 200
    if isinstance(error, AlreadyExistsError):
        return 409
    assert isinstance(error, REFUSED), repr(error)
    return 400


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder)) as controller,
        Client(controller.address) as client,
    ):
        client.plugins.create({"start.py": b""}, name="plug")
        yield client


# Names.


def difference_of_name(entity: str, name: str) -> str | None:
    """Why we refuse a name that Dioptra takes, or the other way round."""
    if entity == "plugin_file":
        return (
            "without `a/__init__.py`, the folder `a` is hardly a package"
            if re.search(r"/_\w+\.py$", name)
            else None
        )
    if entity == "plugin":
        return None
    if name != name.strip() or not name:
        return "names are how things are found: they are not empty, and have no outer space"
    if entity == "queue" and "," in name:
        return "runners are told their queues as a list with commas"
    return None


def create(client: Client, entity: str, name: str) -> None:
    match entity:
        case "plugin":
            client.plugins.create({"start.py": b""}, name=name)
        case "plugin_file":
            client.plugins.put_file("plug", name, b"", mode="create")
        case "parameter_type":
            client.parameter_types.put(name, mode="create")
        case "queue":
            client.queues.create(name)
        case "experiment":
            client.experiments.create(name)
        case _:
            raise AssertionError(entity)


@cases_of("name")
def test_names(case: dict[str, Any], client: Client) -> None:
    entity, name = case["entity"], case["name"]
    if case["http"] == 409:  # the case that used the name before may not be in this set
        with contextlib.suppress(AlreadyExistsError):
            create(client, entity, name)
    try:
        create(client, entity, name)
    except DioptraError as error:
        found = http_of(error)
    else:
        found = 200
    if difference_of_name(entity, name) is not None:
        assert {found, case["http"]} == {200, 400}
    else:
        assert found == case["http"]


@cases_of("builtin_parameter_types")
def test_built_in_types(case: dict[str, Any]) -> None:
    # A controller of its own: in the shared one, other cases make types.
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder)) as controller,
        Client(controller.address) as client,
    ):
        assert [one.name for one in client.parameter_types.list()] == case["names"]


# Creating jobs.

GRAPH = """\
graph:
  step:
    take: [$s]
"""
TASKS = """\
from dioptra import pyplugs

@pyplugs.register
def take(value: str): ...
"""


def register(client: Client, folder: Path, declared: list[dict[str, Any]]) -> str:
    """Make an entrypoint with these parameters, as Dioptra's importer would."""
    plugin = folder / "plugins" / "taking"
    plugin.mkdir(parents=True)
    (plugin / "tasks.py").write_text(TASKS)
    (folder / "graph.yaml").write_text(GRAPH)
    lines = ['[[plugins]]\npath = "plugins/taking"\n']
    lines += ['[[entrypoints]]\nname = "e"\npath = "graph.yaml"\nplugins = ["taking"]\n']
    for one in declared:
        lines += ["[[entrypoints.params]]", f'name = "{one["name"]}"', f'type = "{one["type"]}"']
        if one["default"] is not None:
            lines += [f"default_value = {json.dumps(one['default'])}"]
    (folder / "dioptra.toml").write_text("\n".join(lines) + "\n")
    client.import_project(folder)
    return "e"


def difference_of_creation(case: dict[str, Any]) -> str | None:
    given = (case["values"] or {}).values()
    kinds = {one["name"]: one["type"] for one in case["declared"]}
    fits = all(
        isinstance(value, _NATIVE[kinds.get(name, "string")])
        for name, value in (case["values"] or {}).items()
    )
    if fits and not all(isinstance(value, str) for value in given):
        return "Dioptra takes texts only; we also take JSON values of the declared type"
    return None


_NATIVE: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (str, int),
    "boolean": (str, bool),
    "float": (str, int, float),
    "list": (str, list),
    "mapping": (str, dict),
}


@cases_of("create")
def test_values_of_jobs(case: dict[str, Any], client: Client, tmp_path: Path) -> None:
    entrypoint = register(client, tmp_path / "project", case["declared"])
    before = len(client.jobs.list())
    values = case["values"] or {}
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    others = {name: value for name, value in values.items() if name not in texts}
    given = {**{name: TextValue(text) for name, text in texts.items()}, **others}
    try:
        job = client.jobs.submit(entrypoint, given)
    except DioptraError as error:
        found = http_of(error)
        assert len(client.jobs.list()) == before
    else:
        found = 200
    if difference_of_creation(case) is not None:
        assert (found, case["status"]) == (200, 400)
        return
    assert found == case["status"]
    if found == 200:
        assert job.record.status == case["job"]["status"]
        assert dict(job.record.parameters) == case["parameters"]
        for name, value in case["parameters"].items():
            assert type(job.record.parameters[name]) is type(value)


@cases_of("create_registration")
def test_queues_of_jobs(case: dict[str, Any], client: Client, tmp_path: Path) -> None:
    """B12, changed: entrypoints have no list of queues; a job may name any that exists."""
    entrypoint = register(
        client, tmp_path / "project", [{"name": "s", "type": "string", "default": "x"}]
    )
    queue = f"queue of {case['id']}"
    client.queues.create(queue)
    assert client.jobs.submit(entrypoint, queue=queue).record.queue == queue
    assert case["status"] == 200 or "outside the experiment" in case["title"]


# Timeouts: Dioptra keeps texts, which its queue reads later; ours are read at once.


@cases_of("rq_timeout")
def test_timeouts_are_read_as_by_dioptras_queue(case: dict[str, Any]) -> None:
    if case["timeout"] is None:
        assert case["seconds"] is None
        return
    try:
        found: float | None = read_duration(case["timeout"])
    except ValueError:
        found = None
    if case.get("seconds") == 0:
        assert found is None, "no time at all is no timeout"
    elif "seconds" in case:
        assert found == case["seconds"]
    else:
        # Fractions and sums are more than Dioptra reads, but no doubtful texts.
        assert found is None or re.fullmatch(
            r"(\d+(\.\d+)?[smhd] ?)+", case["timeout"], re.IGNORECASE
        )


@cases_of("create_timeout")
def test_what_is_no_timeout_is_refused_before_anything_is_stored(
    case: dict[str, Any], client: Client, tmp_path: Path
) -> None:
    """B14, fixed: Dioptra stores any text and fails to submit the job later."""
    text = case["timeout"]
    try:
        seconds = read_duration(text) if text else 0.0
    except ValueError:
        assert case["status"] == 200
        assert not re.fullmatch(r"\d*\.?\d+[smhd]?", text, re.IGNORECASE)
        return
    entrypoint = register(
        client, tmp_path / "project", [{"name": "s", "type": "string", "default": "x"}]
    )
    job = client.jobs.submit(entrypoint, timeout=seconds)
    sent = case["sent"][0]["job_timeout"]
    expected = sent if isinstance(sent, int) else read_duration(sent)
    assert client.jobs.get(job.id).record.timeout == expected


# States: `deferred` and `reset` are not ours, `cancelled` is not Dioptra's.

OURS = {state.value for state in JobState}


def live_through(states: list[str]) -> JobLife:
    life = JobLife()
    for state in states:
        life = go_to(life, state)
    return life


def go_to(life: JobLife, state: str) -> JobLife:
    match state:
        case "started":
            return life.lease("runner")
        case "finished" | "failed":
            return life.end(JobState(state))
        case "cancelled":
            return life.request_cancel()
        case "reset":  # what comes closest: the runner is lost, the job queued again
            return life.lose_runner()
    raise PreconditionError(f"nothing makes a job {state!r}")


def difference_of_transition(case: dict[str, Any]) -> str | None:
    if "deferred" in (case["from"], case["to"], *case["via"]):
        return "Dioptra never uses `deferred`; we have no such state"
    if case["to"] == "reset":
        return "B13: reset runs nothing; here an ended job is repeated as a new one"
    if case["to"] == "cancelled":
        return "Dioptra cannot stop a job"
    return None


@cases_of("transition")
def test_changes_of_state(case: dict[str, Any]) -> None:
    if difference_of_transition(case) is not None:
        assert (case["http"] == 200) is (case["to"] != "cancelled") or "deferred" in case["via"]
        return
    life = live_through(case["via"])
    assert life.state.value == case["from"]
    try:
        after = go_to(life, case["to"])
    except PreconditionError:
        after, found = life, 400
    else:
        found = 200
    assert found == case["http"]
    assert after.state.value == case["now"]


def test_states_of_dioptra_that_we_leave_out_are_none_of_ours() -> None:
    assert {"deferred", "reset"}.isdisjoint(OURS)


def test_there_are_cases() -> None:
    assert len(CASES) >= 106
    assert {case["kind"] for case in CASES} >= {"name", "create", "transition", "rq_timeout"}
