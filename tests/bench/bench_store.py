"""The artifact store in S3 against the bare `minio` client, on the same server in the same run.

One file of 256 MB must go at least 0.9 times as fast as through the bare client; 2,000 files
of 4 KB at least 4 times as fast as a loop over them. Both are measured on Ceph with its
objects in memory and on disk; then the memory that 2 GB take. Local files lie in memory, so
that the store is measured, not this machine's disk.

Where the server shares few cores with us, what can be reached is bounded by what it spends
on an object itself: the CPU times of both say how far that is.

python -m tests.bench.bench_store [memstore|bluestore ...]
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minio import Minio
from pydantic import SecretStr

from dioptra_ray.store import ArtifactStore, StoreSettings, open_store
from tests.bench.measure import Measurement, interleave, ratio, report
from tests.tools.s3_server import S3Server, s3_server

BUCKET = "bench"
LARGE = 256 << 20
FILES = 2000
SMALL = 4096
HUGE = 2 << 30
REPEATS = 5
_MEMORY = Path("/dev/shm")

_PEAK = """
import sys
from pathlib import Path
from dioptra_ray.store import open_store
store = open_store(sys.argv[1])
store.put_blob("first", b"x")
def peak():
    # Not `ru_maxrss`, which begins with what the process had that started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
before = peak()
store.put_artifact("artifacts/1/1/huge", Path(sys.argv[2]))
up = peak()
store.get_artifact("artifacts/1/1/huge", Path(sys.argv[3]))
down = peak()
print(f"  2 GB: {up - before:.0f} MiB more to store, {down - before:.0f} MiB in all; at most 150")
"""


@dataclass(slots=True)
class Contest:
    """The two sides, and where local files are."""

    store: ArtifactStore
    bare: Any
    folder: Path
    cpu: dict[str, list[float]] = field(default_factory=dict)

    def clocked(self, name: str, run: Callable[[], object]) -> Callable[[], object]:
        """Also take the CPU time of this process."""

        def clocked() -> None:
            begun = time.process_time()
            run()
            self.cpu.setdefault(name, []).append(time.process_time() - begun)

        return clocked

    def put_ours(self, source: Path) -> None:
        self.store.put_artifact(f"artifacts/1/1/{source.name}", source)

    def get_ours(self, source: Path) -> None:
        shutil.rmtree(self.folder / "ours", ignore_errors=True)
        self.store.get_artifact(f"artifacts/1/1/{source.name}", self.folder / "ours")

    def put_bare(self, source: Path) -> None:
        for path in _files(source):
            self.bare.fput_object(BUCKET, f"bare/{source.name}/{path.name}", str(path))

    def get_bare(self, source: Path) -> None:
        target = self.folder / "bare"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for path in _files(source):
            # Not `fget_object`, which asks for the object's size before each.
            answer = self.bare.get_object(BUCKET, f"bare/{source.name}/{path.name}")
            with (target / path.name).open("wb") as file:
                for chunk in answer.stream(1 << 20):
                    file.write(chunk)
            answer.release_conn()


def _files(source: Path) -> list[Path]:
    return sorted(source.iterdir()) if source.is_dir() else [source]


def measure(contest: Contest, source: Path, what: str, wanted: float) -> None:
    """Both ways, and what it took."""
    for verb, ours, bare in (
        ("put", contest.put_ours, contest.put_bare),
        ("get", contest.get_ours, contest.get_bare),
    ):
        names = {"bare client": bare, "store": ours}
        results = interleave(
            {
                name: contest.clocked(f"{verb} {name}", lambda run=run: run(source))
                for name, run in names.items()
            },
            repeats=REPEATS,
            warmup=1,
        )
        report(f"{verb} {what}", results, baseline="bare client")
        _judge(contest, verb, results, wanted, len(_files(source)))


def _judge(
    contest: Contest, verb: str, results: dict[str, Measurement], wanted: float, count: int
) -> None:
    faster = ratio(results["bare client"], results["store"])
    said = "ok" if faster >= wanted else "MISSED"
    spent = {
        name: sorted(contest.cpu[f"{verb} {name}"])[REPEATS // 2] / count * 1e3 for name in results
    }
    contest.cpu.clear()
    print(
        f"  {faster:.2f} times as fast, wanted {wanted}: {said}; CPU of this process per file: "
        + ", ".join(f"{name} {value:.2f} ms" for name, value in spent.items())
    )


def main() -> None:
    """Entry point."""
    for kind in sys.argv[1:] or ["memstore", "bluestore"]:
        with tempfile.TemporaryDirectory() as place:
            print(f"\nCeph, {kind}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            with s3_server(Path(place) / "state", kind=kind) as server:
                run(server)
                if kind == "bluestore":
                    measure_memory(server, Path(place))


def run(server: S3Server) -> None:
    """All contests on one server."""
    settings = StoreSettings(
        endpoint=server.endpoint,
        access_key=SecretStr(server.access_key),
        secret_key=SecretStr(server.secret_key),
        secure=False,
    )
    store = open_store(f"s3://{BUCKET}/ours", settings)
    store.check()
    bare = Minio(
        server.endpoint,
        access_key=server.access_key,
        secret_key=server.secret_key,
        secure=False,
        region="us-east-1",
    )
    where = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as place:
        contest = Contest(store, bare, Path(place))
        large = contest.folder / "large"
        large.write_bytes(os.urandom(1 << 20) * (LARGE >> 20))
        measure(contest, large, "one file of 256 MB", 0.9)
        large.unlink()
        many = contest.folder / "many"
        many.mkdir()
        for number in range(FILES):
            (many / f"{number:04}").write_bytes(os.urandom(SMALL))
        measure(contest, many, f"{FILES} files of 4 KB", 4.0)


def measure_memory(server: S3Server, folder: Path) -> None:
    """What 2 GB take, of a whole process."""
    huge = folder / "huge"
    block = os.urandom(1 << 20)
    with huge.open("wb") as file:
        for _ in range(HUGE >> 20):
            file.write(block)
    subprocess.run(
        [sys.executable, "-c", _PEAK, f"s3://{BUCKET}/huge", huge, folder / "got"],
        env={**os.environ, **server.variables()},
        check=True,
    )


if __name__ == "__main__":
    main()
