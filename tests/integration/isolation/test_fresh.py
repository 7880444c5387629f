"""Nothing of a stage is seen by the next one that has a process of its own."""

import json

import numpy as np
import torch

LOOK = """
    import ctypes, decimal, faulthandler, gc, json, locale, logging, multiprocessing, os, random
    import resource, signal, socket, sys, tempfile, threading, time, warnings
    from pathlib import Path
    import numpy
    import torch
    from dioptra import pyplugs

    STATE = []

    def files():
        found = []
        for name in os.listdir("/proc/self/fd"):
            try:
                place = os.readlink(f"/proc/self/fd/{name}")
            except OSError:
                continue
            found.append(place.partition(":")[0] if ":" in place else place)
        own = os.path.dirname(os.getcwd())
        return sorted("own" if place.startswith(own) else place for place in found)

    def handler(value):
        return getattr(value, "__qualname__", str(value))

    def now():
        umask = os.umask(0)
        os.umask(umask)
        return {
            "state": list(STATE),
            "patched": [
                json.JSONEncoder.default.__name__, json.dumps.__name__, hasattr(json, "spoiled"),
                torch.nn.Module.__call__.__name__, open.__name__, hasattr(torch, "spoiled"),
            ],
            "modules": "spoiled" in sys.modules,
            "threads": sorted(thread.name for thread in threading.enumerate()),
            "files": files(),
            "signals": [handler(signal.getsignal(n)) for n in sorted(signal.valid_signals())],
            "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            "alarm": signal.getitimer(signal.ITIMER_REAL),
            "environment": {k: v for k, v in os.environ.items() if k != "__JOB_ID"},
            "listing": sorted(os.listdir(".")),
            "umask": umask,
            "limits": resource.getrlimit(resource.RLIMIT_NOFILE),
            "nice": [os.getpriority(os.PRIO_PROCESS, 0), sorted(os.sched_getaffinity(0))],
            "locale": locale.setlocale(locale.LC_ALL),
            "zone": [time.tzname, time.timezone],
            "timeout": socket.getdefaulttimeout(),
            "filters": len(warnings.filters),
            "levels": [logging.getLogger("x").level, logging.root.manager.disable],
            "hooks": [sys.excepthook.__name__, threading.excepthook.__name__],
            "start": multiprocessing.get_start_method(allow_none=True),
            "interpreter": [sys.getrecursionlimit(), gc.isenabled(), sys.argv[1:]],
            "path": list(sys.path),
            "precision": [decimal.getcontext().prec, numpy.get_printoptions()["precision"]],
            "errors": numpy.geterr(),
            "torch": [str(torch.get_default_dtype()), torch.is_grad_enabled()],
            "cuda": torch.cuda.is_initialized(),
            "temporary": tempfile.gettempdir(),
            "shared": sorted(n for n in os.listdir("/dev/shm") if n.startswith("psm_")),
        }

    @pyplugs.register
    def look():
        print(json.dumps(now(), default=str))

    @pyplugs.register
    def drawn():
        print(json.dumps([
            random.random(), random.getrandbits(64), float(numpy.random.rand()),
            float(torch.rand(1)), float(numpy.random.default_rng().random()),
            os.urandom(8).hex(), next(tempfile._get_candidate_names()),
        ]))

    @pyplugs.register
    def foul():
        before = now()
        STATE.append(1)
        json.JSONEncoder.default = print
        json.spoiled = torch.spoiled = sys.modules["spoiled"] = sys
        torch.nn.Module.__call__ = print
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        global kept
        kept = [open("/etc/hostname"), socket.socket(), open(os.path.expanduser("/dev/null"))]
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        signal.setitimer(signal.ITIMER_REAL, 500)
        os.environ.update(DIRTY="yes", TZ="Asia/Tokyo", PATH="/nowhere")
        time.tzset()
        os.chdir("/")
        os.umask(0o777)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
        os.setpriority(os.PRIO_PROCESS, 0, 19)
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
        socket.setdefaulttimeout(0.1)
        warnings.simplefilter("error")
        logging.disable(logging.CRITICAL)
        logging.getLogger("x").setLevel(1)
        sys.excepthook = threading.excepthook = print
        multiprocessing.set_start_method("spawn", force=True)
        sys.setrecursionlimit(500)
        gc.disable()
        sys.path.clear()
        decimal.getcontext().prec = 3
        numpy.set_printoptions(precision=1)
        numpy.seterr(all="raise")
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        tempfile.tempdir = "/nowhere"
        random.seed(1), numpy.random.seed(1), torch.manual_seed(1)
        os.write(1, json.dumps([k for k, v in now().items() if v == before[k]]).encode())
"""


def test_what_a_stage_does_is_not_there_in_the_next(bench):
    first = bench.run(LOOK, "look").said
    fouled = bench.run(LOOK, "foul")
    assert fouled.report.outcome == "finished", fouled.report.failure
    assert fouled.said == ["cuda", "shared"]  # all else was changed
    assert bench.run(LOOK, "look").said == first


def test_random_state_is_drawn_from_the_operating_system(bench):
    bench.run(LOOK, "foul")
    drawn = [bench.run(LOOK, "drawn").said for _ in range(3)]
    for values in zip(*drawn, strict=True):
        assert len(set(values)) == 3, drawn


def test_the_state_of_the_worker_process_is_not_visible(bench, monkeypatch):
    first = bench.run(LOOK, "look").said
    monkeypatch.setattr(json, "spoiled", 1, raising=False)
    monkeypatch.setattr(json.JSONEncoder, "default", print)
    with np.printoptions(precision=1), open("/etc/hostname"):  # noqa: PTH123
        torch.set_grad_enabled(False)
        try:
            assert bench.run(LOOK, "look").said == first
        finally:
            torch.set_grad_enabled(True)


def test_only_the_present_variables_of_the_worker_are_there(bench, monkeypatch):
    bench.run(LOOK, "look")
    monkeypatch.setenv("LATER", "yes")
    monkeypatch.setenv("DIOPTRA_S3_SECRET_KEY", "secret")
    monkeypatch.delenv("PATH")
    seen = bench.run(LOOK, "look").said["environment"]
    assert seen["LATER"] == "yes"
    assert "DIOPTRA_S3_SECRET_KEY" not in seen
    assert "PATH" not in seen
