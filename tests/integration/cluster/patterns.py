"""What real Dioptra plugins rely on: entrypoints whose plugins know nothing of us.

Each is a value with the sources of its plugins, and says where it may be cut in two. What it
must give is the same however it is run, except where a cut by declaration means otherwise;
the artifacts of its job tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import dedent
from typing import Any, Literal

Cut = Literal["bound", "cut", "two nodes"]

ARTIFACTS = """
    import json
    from dioptra.sdk.api.artifact import ArtifactTaskInterface

    class JsonArtifactTask(ArtifactTaskInterface):
        @staticmethod
        def serialize(working_dir, name, contents, **kwargs):
            path = (working_dir / name).with_suffix(".json")
            path.write_text(json.dumps(contents, default=vars))
            return path

        @staticmethod
        def deserialize(working_dir, path, **kwargs):
            return json.loads((working_dir / path).read_text())

        @staticmethod
        def validation():
            return None

    class FileArtifactTask(JsonArtifactTask):
        @staticmethod
        def serialize(working_dir, name, contents, **kwargs):
            return working_dir / contents
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """An entrypoint, its plugins, and what its artifacts must hold.

    Attributes:
        name: Of the entrypoint.
        plugins: Sources by plugin and file.
        tasks: (plugin.module, inputs, output or None) by task.
        graph: The steps.
        late: The steps that run apart when it is cut; the others belong together.
        saved: Step, or step.output, by artifact that is kept as JSON.
        files: The same by artifact that is a file.
        anywhere: Steps that are never bound to a node.
        gives: What the artifacts hold.
        gives_cut: The same when it is cut, where that is something else.
    """

    name: str
    plugins: Mapping[str, Mapping[str, str]]
    tasks: Mapping[str, tuple[str, tuple[str, ...], str | None]]
    graph: Mapping[str, Any]
    late: tuple[str, ...]
    anywhere: tuple[str, ...] = ()
    saved: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    gives: Mapping[str, Any] = field(default_factory=dict)
    gives_cut: Mapping[str, Any] = field(default_factory=dict)

    def sources(self) -> dict[str, dict[str, bytes]]:
        """The plugins as they are registered, with one that writes artifacts."""
        plugins = {**self.plugins, "keeping": {"tasks.py": ARTIFACTS}}
        return {
            plugin: {file: dedent(text).encode() for file, text in files.items()}
            for plugin, files in plugins.items()
        }

    def description(self, cut: Cut) -> dict[str, Any]:
        """The entrypoint; its steps run on nodes with label `kind`, "cpu" or "gpu"."""
        tasks = {
            task: {
                "plugin": f"{module}.{task}",
                "inputs": [{"name": name, "type": "any", "required": False} for name in inputs],
                **({"outputs": {output: "any"}} if output else {}),
            }
            for task, (module, inputs, output) in self.tasks.items()
        }
        outputs = {
            name: {"contents": f"${step}", "task": {"name": task}}
            for task, kept in (("JsonArtifactTask", self.saved), ("FileArtifactTask", self.files))
            for name, step in kept.items()
        }
        return {
            "tasks": tasks,
            "graph": dict(self.graph),
            "artifact_outputs": outputs,
            **self._execution(cut),
        }

    def expected(self, cut: Cut) -> Mapping[str, Any]:
        """What the artifacts must hold."""
        return {**self.gives, **(self.gives_cut if cut != "bound" else {})}

    def _execution(self, cut: Cut) -> dict[str, Any]:
        if cut == "bound":
            return {}
        steps: dict[str, Any] = {step: {"labels": {"kind": "cpu"}} for step in self.late}
        if cut == "two nodes":
            early = (step for step in self.graph if step not in (*self.late, *self.anywhere))
            steps |= {step: {"labels": {"kind": "gpu"}} for step in early}
        return {"execution": {"steps": steps}}


SEED = """
    import os
    import random
    from dioptra import pyplugs

    @pyplugs.register
    def set_random_seed(seed):
        import numpy as np
        import torch
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)

    @pyplugs.register
    def draw():
        import numpy as np
        import torch
        return [random.random(), float(np.random.rand()), float(torch.rand(1))]
"""


def drawn(times: int) -> list[list[float]]:
    """What `draw` gives after seed 7, so many times."""
    import random  # noqa: PLC0415 - a generator of our own below

    import numpy as np  # noqa: PLC0415 - slow, and only tests need it
    import torch  # noqa: PLC0415 - likewise

    own, array = random.Random(7), np.random.RandomState(7)
    tensor = torch.Generator().manual_seed(7)
    return [
        [own.random(), float(array.rand()), float(torch.rand(1, generator=tensor))]
        for _ in range(times)
    ]


def seeded() -> Pattern:
    """A seed step that others name under `dependencies`."""
    once, twice = drawn(2)
    return Pattern(
        name="seeded",
        plugins={"chance": {"tasks.py": SEED}},
        tasks={
            "set_random_seed": ("chance.tasks", ("seed",), None),
            "draw": ("chance.tasks", (), "numbers"),
        },
        graph={
            "first": {"task": "draw", "dependencies": ["seed"]},
            "second": {"task": "draw", "dependencies": ["seed"]},
            "seed": {"set_random_seed": 7},
        },
        late=("second",),
        saved={"first": "first", "second": "second"},
        anywhere=("seed",),
        gives={"first": once, "second": twice},
        # Steps of one process draw one after the other; one that runs apart is seeded anew.
        gives_cut={"second": once},
    )


FILES = """
    from pathlib import Path
    from dioptra import pyplugs

    @pyplugs.register
    def write(text):
        Path("reports/deep").mkdir(parents=True)
        Path("reports/deep/report.txt").write_text(text)
        Path("latest.txt").symlink_to("reports/deep/report.txt")
        return "reports/deep/report.txt"

    @pyplugs.register
    def sign(path):
        with open("latest.txt", "a") as file:
            file.write(", signed")
        return sorted(str(one) for one in Path(".").rglob("*.txt"))
"""
WRITTEN = Pattern(
    name="written",
    plugins={"reports": {"tasks.py": FILES}},
    tasks={
        "write": ("reports.tasks", ("text",), "path"),
        "sign": ("reports.tasks", ("path",), "found"),
    },
    graph={"path": {"write": "read and written"}, "found": {"sign": "$path"}},
    late=("found",),
    saved={"found": "found"},
    files={"report": "path"},
    gives={
        "found": ["latest.txt", "reports/deep/report.txt"],
        "report": "read and written, signed",
    },
)

MUTATED = """
    from dioptra import pyplugs

    class Model:
        def __init__(self):
            self.weights = [0]

    @pyplugs.register
    def load():
        return Model()

    @pyplugs.register
    def train(model, epochs):
        model.weights.extend(range(1, epochs + 1))

    @pyplugs.register
    def evaluate(model):
        model.weights.append("evaluated")
        return model.weights[:]
"""
CHANGED = Pattern(
    name="changed",
    plugins={"models": {"tasks.py": MUTATED}},
    tasks={
        "load": ("models.tasks", (), "model"),
        "train": ("models.tasks", ("model", "epochs"), None),
        "evaluate": ("models.tasks", ("model",), "score"),
    },
    graph={
        "model": {"load": []},
        "trained": {"train": ["$model", 2]},
        "score": {"task": "evaluate", "args": ["$model"], "dependencies": ["trained"]},
    },
    late=("score",),
    saved={"model": "model", "score": "score"},
    gives={
        "model": {"weights": [0, 1, 2, "evaluated"]},
        "score": [0, 1, 2, "evaluated"],
    },
    # The step that runs apart has an object of its own, as it was when its maker's stage ended.
    gives_cut={"model": {"weights": [0, 1, 2]}},
)

ALPHA = {
    "tasks.py": """
        from dioptra import pyplugs
        import beta.tasks
        from alpha import scale
        from .scale import FACTOR
        from beta.words import join

        @pyplugs.register
        def begin(value):
            return join(scale.up(value), FACTOR, beta.tasks.NAME)
    """,
    "scale.py": """
        FACTOR = 3

        def up(value):
            from beta.tasks import shift
            return shift(value * FACTOR)
    """,
}
BETA = {
    "tasks.py": """
        from dioptra import pyplugs
        from alpha.scale import FACTOR

        NAME = "beta"

        def shift(value):
            return value + FACTOR

        @pyplugs.register
        def finish(text):
            from alpha import tasks as others
            from . import words
            import json, yaml
            return [words.join(text, others.FACTOR), json.dumps([1]), yaml.safe_load("[2]")]
    """,
    "words.py": """
        def join(*parts):
            return "-".join(map(str, parts))
    """,
}
NAMED_ALIKE = """
    from dioptra import pyplugs

    @pyplugs.register
    def {name}():
        return __name__
"""
IMPORTING = Pattern(
    name="importing",
    plugins={
        "alpha": ALPHA,
        "beta": BETA,
        # Like a package of Python, and like one that is installed.
        "json": {"mine.py": NAMED_ALIKE.format(name="of_python")},
        "yaml": {"mine.py": NAMED_ALIKE.format(name="installed")},
    },
    tasks={
        "begin": ("alpha.tasks", ("value",), "text"),
        "finish": ("beta.tasks", ("text",), "texts"),
        "of_python": ("json.mine", (), "name"),
        "installed": ("yaml.mine", (), "name"),
    },
    graph={
        "text": {"begin": 5},
        "texts": {"finish": "$text"},
        "python": {"of_python": []},
        "installed": {"installed": []},
    },
    late=("texts", "installed"),
    saved={"texts": "texts", "python": "python", "installed": "installed"},
    gives={
        "texts": ["18-3-beta-3", "[1]", [2]],
        "python": "json.mine",
        "installed": "yaml.mine",
    },
)

CLASSES = {
    "kinds.py": """
        import enum
        from dataclasses import dataclass

        class Base:
            def __init__(self, value):
                self.value = value

        class Special(Base):
            pass

        class Colour(enum.Enum):
            RED = "red"

        @dataclass(frozen=True)
        class Point:
            x: int
            y: "Point | None" = None
    """,
    "tasks.py": """
        from dioptra import pyplugs
        from .kinds import Base, Colour, Point, Special

        class Outer:
            class Inner(dict):
                pass

        @pyplugs.register
        def make():
            return (
                Special(1), Colour.RED, Point(1, Point(2)), Special, Outer.Inner(a=1), (None, (1,)),
            )

        @pyplugs.register
        def look(values):
            from kinds_lab.kinds import Base as absolute
            special, colour, point, kind, inner, plain = values
            return [
                isinstance(special, Base), isinstance(special, absolute), special.value,
                colour is Colour.RED, point == Point(1, Point(2)), kind is Special,
                type(inner) is Outer.Inner, plain == (None, (1,)), type(plain) is tuple,
            ]
    """,
}
CROSSING = Pattern(
    name="crossing",
    plugins={"kinds_lab": CLASSES},
    tasks={
        "make": ("kinds_lab.tasks", (), "values"),
        "look": ("kinds_lab.tasks", ("values",), "seen"),
    },
    graph={"values": {"make": []}, "seen": {"look": "$values"}},
    late=("seen",),
    saved={"seen": "seen"},
    gives={"seen": [True, True, 1, True, True, True, True, True, True]},
)

COUNTING = """
    from dioptra import pyplugs

    SEEN = []

    @pyplugs.register
    def count(name):
        SEEN.append(name)
        return SEEN[:]
"""
REMEMBERING = Pattern(
    name="remembering",
    plugins={"memory": {"tasks.py": COUNTING}},
    tasks={"count": ("memory.tasks", ("name",), "seen")},
    graph={
        "one": {"count": "one"},
        "two": {"task": "count", "args": ["two"], "dependencies": ["one"]},
        "three": {"task": "count", "args": ["three"]},
    },
    late=("three",),
    saved={"one": "one", "two": "two", "three": "three"},
    gives={"one": ["one"], "two": ["one", "three", "two"], "three": ["one", "three"]},
    # A process of its own has modules of its own.
    gives_cut={"two": ["one", "two"], "three": ["three"]},
)

PATTERNS = (WRITTEN, CHANGED, IMPORTING, CROSSING, REMEMBERING)
"""All but `seeded`, which imports torch."""
