"""Plugins that do what is hard to bear: values that cannot be sent, and processes disturbed."""

from tests.integration.cluster.patterns import Pattern

ODD = """
    import threading
    from dioptra import pyplugs

    class Holder:
        def __init__(self, value):
            self.value = value

    @pyplugs.register
    def generator():
        return (n for n in range(3))

    @pyplugs.register
    def lock():
        return threading.Lock()

    @pyplugs.register
    def file():
        return open("opened.txt", "w")

    @pyplugs.register
    def held():
        return Holder(threading.Lock())

    @pyplugs.register
    def use(value):
        return type(value).__name__
"""


def odd(task: str, kind: str) -> Pattern:
    """A value between two steps that cannot be pickled."""
    return Pattern(
        name=f"odd_{task}",
        plugins={"odd": {"tasks.py": ODD}},
        tasks={
            task: ("odd.tasks", (), "value"),
            "use": ("odd.tasks", ("value",), "kind"),
        },
        graph={"value": {task: []}, "kind": {"use": "$value"}},
        late=("kind",),
        saved={"kind": "kind"},
        gives={"kind": kind},
    )


ODD_KINDS = {
    "generator": "generator",
    "lock": "lock",
    "file": "TextIOWrapper",
    "held": "Holder",
}

DISTURBING = """
    import locale, logging, os, random, signal, sys, tempfile, threading, warnings
    from dioptra import pyplugs

    @pyplugs.register
    def state():
        import numpy as np
        import torch
        return {
            "pid": os.getpid(),
            "files": sorted(name for name in os.listdir(".") if not name.startswith(".")),
            "variable": os.environ.get("PATTERN_VARIABLE"),
            "home": os.environ.get("HOME"),
            "level": logging.getLogger().level,
            "handlers": len(logging.getLogger().handlers),
            "own level": logging.getLogger("pattern").level,
            "disabled": logging.root.manager.disable,
            "threads": torch.get_num_threads(),
            "gradients": torch.is_grad_enabled(),
            "dtype": str(torch.get_default_dtype()),
            "errors": np.geterr()["divide"],
            "printing": np.get_printoptions()["precision"],
            "umask": os.umask(os.umask(0o22)),
            "path": [one for one in sys.path if "pattern" in one],
            "limit": sys.getrecursionlimit(),
            "temporary": tempfile.gettempdir(),
            "warnings": len(warnings.filters),
            "alarm": str(signal.getsignal(signal.SIGALRM)),
            "stdout": type(sys.stdout).__name__,
            "json": __import__("json").dumps([1]),
            "alive": [one.name for one in threading.enumerate() if "pattern" in one.name],
        }

    @pyplugs.register
    def chances():
        import numpy as np
        import torch
        return [random.random(), float(np.random.rand()), float(torch.rand(1))]

    @pyplugs.register
    def disturb():
        import json
        import numpy as np
        import torch
        os.mkdir("pattern")
        os.chdir("pattern")
        os.environ["PATTERN_VARIABLE"] = "set"
        del os.environ["HOME"]
        logging.getLogger().setLevel(logging.ERROR)
        logging.getLogger().addHandler(logging.StreamHandler())
        logging.getLogger("pattern").setLevel(5)
        logging.disable(logging.CRITICAL)
        random.seed(1); np.random.seed(1); torch.manual_seed(1)
        torch.set_num_threads(7)
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        np.seterr(divide="raise")
        np.set_printoptions(precision=2)
        os.umask(0o77)
        sys.path.insert(0, "/pattern")
        sys.setrecursionlimit(5000)
        tempfile.tempdir = "/pattern"
        warnings.simplefilter("error")
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        sys.stdout = None
        json.dumps = lambda value, **options: str(value)
        threading.Thread(target=lambda: None, name="pattern").start()
        return os.getpid()
"""
DISTURBED = ("disturb.tasks", (), "value")
