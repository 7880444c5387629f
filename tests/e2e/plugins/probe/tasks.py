"""Tasks that show where and how they run."""

import logging
import os
import sys
import time
from pathlib import Path

import structlog
from dioptra import pyplugs

from dioptra_ray import current_job

LOG = logging.getLogger(__name__)
_SHARED = []


@pyplugs.register
def ident(x):
    return x


@pyplugs.register
def pid(a):
    LOG.debug("after %s", a)
    return os.getpid()


@pyplugs.register
def meet(folder: str, me: str, other: str) -> int:
    """Returns only when the other side runs at the same moment."""
    Path(folder, me).touch()
    give_up = time.monotonic() + 60
    while not Path(folder, other).exists():
        if time.monotonic() > give_up:
            raise TimeoutError(f"{other} never came")
        time.sleep(0.01)
    return os.getpid()


@pyplugs.register
def touch(folder: str, what: str) -> str:
    Path(folder, what).touch()
    return what


@pyplugs.register
def wait_for(path: str) -> str:
    give_up = time.monotonic() + 120
    while not Path(path).exists():
        if time.monotonic() > give_up:
            raise TimeoutError(path)
        time.sleep(0.01)
    return path


@pyplugs.register
def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pyplugs.register
def look_for(words: list) -> list:
    """Which of some words are in the environment, as it is and as the process got it."""
    seen = "\n".join(f"{name}={value}" for name, value in os.environ.items())
    got = Path("/proc/self/environ").read_bytes().decode(errors="replace")
    found = [word for word in words if word in seen or word in got]
    if found:
        raise LookupError(f"found {found}")
    return found


@pyplugs.register
def spin(folder: str) -> int:
    """A busy loop that never asks whether it should stop."""
    Path(folder, "spinning").touch()
    n = 0
    while True:
        n += 1


@pyplugs.register
def fail(message: str):
    raise ValueError(message)


@pyplugs.register
def leave(code: int):
    sys.exit(code)


@pyplugs.register
def die(code: int):
    print("about to die", flush=True)
    os._exit(code)


@pyplugs.register
def remember(x):
    _SHARED.append(x)
    Path("note.txt").write_text(str(x))
    return _SHARED


@pyplugs.register
def same(shared) -> dict:
    return {
        "same_object": shared is _SHARED,
        "file": Path("note.txt").read_text(),
        "pid": os.getpid(),
    }


@pyplugs.register
def speak(loss: list) -> str:
    print("printed line")
    print("to stderr", file=sys.stderr)
    LOG.info("logged %s", "line")
    LOG.warning("careful")
    structlog.get_logger("probe.struct").info("structured line", answer=42)
    job = current_job()
    for step, value in enumerate(loss):
        job.log_metric("loss", value, step)
    job.log_metric("bad", float("nan"))
    job.log_metric("huge", float("inf"))
    job.log_metric("tiny", float("-inf"))
    return "spoken"


@pyplugs.register
def environ(variable: str) -> str:
    value = os.environ.get(variable)
    print(f"{variable} is {value or 'not set'}")
    return value or ""
