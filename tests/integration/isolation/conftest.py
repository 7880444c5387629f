"""Stages in fresh processes, forked for this very process: neither Ray nor a runner."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from dioptra_ray.planning.plan import PluginBundle, Stage
from dioptra_ray.plugins.bundle import pack
from dioptra_ray.store import bundle_key, open_store
from dioptra_workers.stage import templates
from dioptra_workers.stage.events import LogLine
from dioptra_workers.stage.isolation import run_isolated
from dioptra_workers.stage.request import JobContext, Places, StageReport, StageRequest


@dataclass(frozen=True)
class Ended:
    """A stage's report, and what it has printed."""

    report: StageReport

    @property
    def lines(self) -> list[str]:
        return [
            event.message
            for event in self.report.events
            if isinstance(event, LogLine) and event.logger == "stdout"
        ]

    @property
    def said(self) -> Any:
        """Its only line, as JSON."""
        assert self.report.outcome == "finished", self.report.failure
        (line,) = self.lines
        return json.loads(line)


class Bench:
    """Runs one task of a plugin as a stage of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = open_store(f"file://{folder}/store")
        self.store.check()
        self._count = 0

    def request(self, source: str, task: str, **fields: Any) -> StageRequest:
        packed = pack({"tasks.py": dedent(source).encode()})
        self.store.put_blob(bundle_key(packed.digest), packed.content)
        self._count += 1
        return StageRequest(
            job=JobContext(job_id=self._count, attempt=1),
            places=Places(store_url=self.store.url, scratch_dir=str(self.folder / "scratch")),
            plan_digest=f"sha256:{task}",
            description={
                "tasks": {task: {"plugin": f"p.tasks.{task}"}},
                "graph": {"a": {task: []}},
            },
            plugins=(PluginBundle(name="p", digest=packed.digest),),
            artifact_tasks=(),
            stage=Stage(name="s0", steps=("a",), **fields),
            isolated=True,
        )

    def run(self, source: str, task: str, **fields: Any) -> Ended:
        (report,) = run_isolated(self.request(source, task, **fields))
        return Ended(report)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)
    templates.close_all()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that was not reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return False
    return status[0] != "Z"


@pytest.fixture(name="until")
def until_fixture() -> Callable[[Callable[[], bool]], bool]:
    def until(happens: Callable[[], bool], seconds: float = 30.0) -> bool:
        end = time.monotonic() + seconds
        while not (it := happens()) and time.monotonic() < end:
            time.sleep(0.01)
        return it

    return until


@pytest.fixture(name="is_alive")
def is_alive_fixture() -> Callable[[int], bool]:
    return is_alive
