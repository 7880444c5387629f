"""`--swap` wherever a description or an entrypoint with swaps is looked at or run."""

import json

import pytest

from dioptra_ray.api.controller.v1 import (
    entrypoint_pb2,
    entrypoint_service_pb2,
    job_pb2,
    job_service_pb2,
)
from dioptra_ray.api.controller.v1 import sweep_service_pb2 as pb
from dioptra_ray.wire.values import read_mapping, read_value

PLUGIN = """
from dioptra import pyplugs


@pyplugs.register(num_cpus=3)
def triple(x: int) -> int:
    print("three times", x)
    return 3 * x


@pyplugs.register
def double(x: int) -> int:
    print("two times", x)
    return 2 * x
"""
SWAPPED = """
tasks:
  triple: {plugin: maths.tasks.triple, inputs: [{x: integer}], outputs: {y: integer}}
  double: {plugin: maths.tasks.double, inputs: [{x: integer}], outputs: {y: integer}}
graph:
  first:
    ?how:
      ?outputs: [more]
      thrice: {triple: 2}
      twice: {double: 2}
  second: {double: $first.more}
"""
GIVEN = ("swapped.yaml", "--plugins", "plugins")


@pytest.fixture
def swapped(tmp_path, monkeypatch):
    (tmp_path / "plugins" / "maths").mkdir(parents=True)
    (tmp_path / "plugins" / "maths" / "__init__.py").touch()
    (tmp_path / "plugins" / "maths" / "tasks.py").write_text(PLUGIN)
    (tmp_path / "swapped.yaml").write_text(SWAPPED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("swapped")
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([], None),
        (["--swap", "how=twice"], None),
        (["--swap", "how=trice"], "swap.unknown_choice"),
        (["--swap", "how=twice", "--swap", "why=twice"], "swap.unused_choice"),
    ],
)
def test_validate(run, given, code) -> None:
    ran = run("validate", *GIVEN, *given, "--format", "json")
    assert ran.code == (0 if code is None else 1)
    assert [issue["code"] for issue in ran.json["issues"]] == ([] if code is None else [code])


@pytest.mark.usefixtures("swapped")
def test_plan_has_what_the_chosen_task_asks_for(run) -> None:
    ran = run("plan", *GIVEN, "--swap", "how=thrice", "--format", "json")
    assert ran.code == 0, ran.err
    assert max(stage["resources"]["num_cpus"] for stage in ran.json["stages"]) == 3
    other = run("plan", *GIVEN, "--swap", "how=twice", "--format", "json").json
    assert max(stage["resources"]["num_cpus"] for stage in other["stages"]) == 1
    refused = run("plan", *GIVEN)
    assert refused.code == 1
    assert '"thrice", "twice"' in refused.err


@pytest.mark.usefixtures("swapped")
def test_run_locally(run) -> None:
    ran = run("run", "--local", *GIVEN, "--swap", "how=twice")
    assert ran.code == 0, ran.err
    assert "two times 4" in ran.out
    assert "three times" not in ran.out
    refused = run("run", "--local", *GIVEN, "--swap", "how=")
    assert refused.code == 1
    assert "swapped.yaml" in refused.err


def test_jobs_are_submitted_with_choices_and_show_them(remote, controller) -> None:
    job = job_pb2.Job(id=12, state=job_pb2.JOB_STATE_QUEUED, swaps={"how": "twice"})
    controller.on("CreateJob", lambda _: job_service_pb2.CreateJobResponse(job=job))
    ran = remote("job", "submit", "train", "--swap", "how=twice", "--format", "json")
    assert ran.json["swaps"] == {"how": "twice"}
    assert controller.requests[-1].swaps == {"how": "twice"}
    assert remote("job", "submit", "train", "--swap", "twice").code == 2


def test_an_entrypoint_shows_what_may_be_chosen(remote, controller) -> None:
    swap = entrypoint_pb2.Swap(name="how", aliases=["thrice", "twice"])
    found = entrypoint_pb2.Entrypoint(name="train", swaps=[swap])
    controller.on(
        "GetEntrypoint", lambda _: entrypoint_service_pb2.GetEntrypointResponse(entrypoint=found)
    )
    assert "thrice, twice" in remote("entrypoint", "show", "train").out
    shown = remote("entrypoint", "show", "train", "--format", "json").json
    assert shown["swaps"] == {"how": ["thrice", "twice"]}


@pytest.mark.parametrize(
    "given",
    [
        ["--swap", "how=twice,thrice", "--swap", "why=so"],
        ["--param", "?how=twice,thrice", "--swap", "why=so"],
    ],
)
def test_several_aliases_are_a_dimension(remote, controller, given) -> None:
    sweep = pb.Sweep(id=3, size=4, dimensions=["eps", "?how"], swaps={"why": "so"})
    controller.on("CreateSweep", lambda _: pb.CreateSweepResponse(sweep=sweep))
    controller.on("GetSweep", lambda _: pb.GetSweepResponse(sweep=sweep))
    assert remote("sweep", "submit", "train", "--param", "eps=0,1", *given).code == 0
    request = controller.requests[-1]
    grid = {one.parameter: list(map(read_value, one.values)) for one in request.grid.dimensions}
    assert grid == {"eps": ["0", "1"], "?how": ["twice", "thrice"]}
    assert request.swaps == {"why": "so"}
    shown = remote("sweep", "show", 3)
    assert "?how" in shown.out
    assert "so" in shown.out


def test_swaps_alone_are_a_space(remote, controller) -> None:
    sweep = pb.Sweep(id=3, size=2)
    controller.on("CreateSweep", lambda _: pb.CreateSweepResponse(sweep=sweep))
    assert remote("sweep", "submit", "train", "--swap", "how=twice,thrice").code == 0
    assert [one.parameter for one in controller.requests[-1].grid.dimensions] == ["?how"]
    assert read_mapping(controller.requests[-1].parameters) == {}


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["--swap", "how=twice"],
        ["--swap", "how=a,b", "--param", "?how=a,b"],
        ["--swap", "how=a,,b"],
        ["--swap", "how"],
    ],
)
def test_what_is_no_space_is_refused(remote, controller, given) -> None:
    assert remote("sweep", "submit", "train", *given).code == 2
    assert controller.requests == []


FIVE = """
tasks:
  load: {plugin: lab.data.load, inputs: [{path: string}], outputs: {data: any}}
  hit: {plugin: lab.attacks.hit, inputs: [{data: any}, {eps: number}], outputs: {score: number}}
graph:
  raw: {load: [digits]}
  cleaned: {wash: [$raw]}
  short: {hit: [$cleaned]}
  wrong: {hit: [$raw, much]}
  lost: {hit: [$nothing, 1]}
  self: {hit: [$self, 1]}
"""


def test_every_problem_is_told_at_once(run, tmp_path) -> None:
    file = tmp_path / "five.yaml"
    file.write_text(FIVE)
    found = run("validate", file, "--format", "json").json["issues"]
    assert {issue["code"]: issue["line"] for issue in found} == {
        "step.unknown_task": 7,
        "call.missing_required": 8,
        "arg.positional_mismatch": 9,
        "ref.unresolvable@step": 10,
        "step.cycle": 11,
    }
    shown = run("validate", file).out
    assert shown.count("^") == 5
    for command in (["plan"], ["run", "--local"]):
        refused = run(*command, file, "--format", "json")
        assert refused.code == 1
        for issue in found:
            assert json.dumps(issue["message"]) in refused.err or issue["message"] in refused.err
