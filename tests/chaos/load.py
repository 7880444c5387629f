"""The work that goes on while things break: quick jobs, stages in a row, artifacts, a sweep.

Every step writes to a ledger outside of the deployment when it has begun and when it has
come to its end, so that a run that nobody admits to is seen.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import yaml

from dioptra_ray.client import Client
from dioptra_ray.client.job import Job
from dioptra_ray.client.sweeps import Sweep

_SOURCE = """
    import hashlib, os, random, time
    from pathlib import Path
    from dioptra import pyplugs
    from dioptra.sdk.api.artifact import ArtifactTaskInterface

    class BytesArtifact(ArtifactTaskInterface):
        @staticmethod
        def serialize(working_dir, name, contents, **kwargs):
            (working_dir / name).write_bytes(contents)
            return working_dir / name

        @staticmethod
        def deserialize(working_dir, path, **kwargs):
            return (working_dir / path).read_bytes()

        @staticmethod
        def validation():
            return None

    def note(ledger, what, step):
        # The directory's name says job, attempt, stage and round.
        line = f"{what} {Path.cwd().name} {step} {os.getpid()}" + chr(10)
        file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.write(file, line.encode())
        os.close(file)

    def busy(ledger, step, seconds):
        note(ledger, "begun", step)
        print("step", step)
        time.sleep(seconds)
        note(ledger, "done", step)

    @pyplugs.register
    def quick(ledger, seconds):
        busy(ledger, "quick", seconds)

    @pyplugs.register
    def first(ledger, seconds):
        busy(ledger, "first", seconds)
        return 1

    @pyplugs.register
    def second(ledger, seconds, value):
        busy(ledger, "second", seconds)
        return value + 1

    @pyplugs.register
    def third(ledger, seconds, value):
        busy(ledger, "third", seconds)
        assert value == 2

    @pyplugs.register
    def make(ledger, seconds, seed, size):
        busy(ledger, "make", seconds)
        return random.Random(seed).randbytes(size)
"""
_STEPS = {
    "quick": ((), False),
    "first": ((), True),
    "second": (("value",), True),
    "third": (("value",), False),
    "make": (("seed", "size"), True),
}
_COMMON = ["$ledger", "$seconds"]
_GRAPHS: dict[str, dict[str, list[object]]] = {
    "chaos_quick": {"quick": _COMMON},
    "chaos_chain": {
        "first": _COMMON,
        "second": [*_COMMON, "$first"],
        "third": [*_COMMON, "$second"],
    },
    "chaos_keep": {"make": [*_COMMON, "$seed", "$size"]},
}
# A process that is killed under a step is the step's failure, unless it is to be repeated.
_RETRIES = {"retries": 5, "retry_on": ["PROCESS_DIED", "UNAVAILABLE", "ARTIFACT_FAILED"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was submitted.

    Attributes:
        jobs: All jobs but those of the sweep.
        digests: SHA-256 of the artifact that a job must have kept, by job.
        sweep: The sweep, if there is one.
    """

    jobs: tuple[Job, ...]
    digests: dict[int, str]
    sweep: Sweep | None = None


def register(client: Client) -> None:
    """Put plugin and entrypoints in place."""
    client.plugins.put({"tasks.py": dedent(_SOURCE).encode()}, name="chaos")
    for name, graph in _GRAPHS.items():
        client.entrypoints.put(name, _describe(graph), plugins=["chaos"])


def submit(
    client: Client,
    chance: random.Random,
    ledger: Path,
    *,
    quick: int = 3,
    chains: int = 1,
    kept: int = 1,
    trials: int = 4,
    seconds: float = 0.3,
    size: int = 200_000,
) -> Load:
    """Submit a mixture, in an order of chance."""
    kinds = ["quick"] * quick + ["chain"] * chains + ["keep"] * kept
    chance.shuffle(kinds)
    jobs: list[Job] = []
    digests = {}
    for kind in kinds:
        given: dict[str, object] = {
            "ledger": str(ledger),
            "seconds": round(seconds * (0.5 + chance.random()), 3),
        }
        if kind == "keep":
            given |= {"seed": chance.randrange(10**6), "size": size}
        job = client.jobs.submit(f"chaos_{kind}", given)
        if kind == "keep":
            content = random.Random(given["seed"]).randbytes(size)
            digests[job.id] = hashlib.sha256(content).hexdigest()
        jobs.append(job)
    sweep = None
    if trials:
        space: dict[str, Sequence[float]] = {"seconds": [0.01 * (n + 1) for n in range(trials)]}
        sweep = client.sweeps.submit("chaos_quick", space, {"ledger": str(ledger)})
    return Load(jobs=tuple(jobs), digests=digests, sweep=sweep)


def _describe(graph: dict[str, list[object]]) -> str:
    tasks = {}
    for step in graph:
        more, returns = _STEPS[step]
        inputs = [{name: "any"} for name in ("ledger", "seconds", *more)]
        tasks[step] = {"plugin": f"chaos.tasks.{step}", "inputs": inputs}
        if returns:
            tasks[step]["outputs"] = {"value": "any"}
    described: dict[str, object] = {
        "tasks": tasks,
        "parameters": {"ledger": "", "seconds": 0.1},
        "graph": {step: {step: given} for step, given in graph.items()},
        # Each step in a stage of its own.
        "execution": {
            "steps": {
                step: {**_RETRIES, "num_cpus": 0.5 if number % 2 else 0.4}
                for number, step in enumerate(graph)
            }
            if len(graph) > 1
            else dict.fromkeys(graph, _RETRIES)
        },
    }
    if "make" in graph:
        described["parameters"] = {"ledger": "", "seconds": 0.1, "seed": 0, "size": 1}
        described["artifact_outputs"] = {
            "made": {"contents": "$make", "task": {"name": "BytesArtifact"}}
        }
    return yaml.safe_dump(described, sort_keys=False)
