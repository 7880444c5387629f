"""Stages of one job whose files travel, without a cluster."""

from dataclasses import dataclass, field
from pathlib import Path

from dioptra_workers.stage.delta import Delta, read_delta, write_delta
from dioptra_workers.stage.laying import lay_out
from dioptra_workers.stage.merging import merge
from dioptra_workers.stage.packing import Author, pack
from dioptra_workers.stage.payload import Payload
from dioptra_workers.stage.scratch import Scratch
from dioptra_workers.stage.workspace import scan


@dataclass
class Job:
    """Stages, each in a directory of its own, one after another."""

    folder: Path
    scratch: Scratch
    deltas: dict[str, Payload] = field(default_factory=dict)
    after: dict[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def stage(self, name, steps, *before):
        """Run a stage: what it finds is laid out, `steps` changes it, its delta is packed."""
        root = self.folder / name
        root.mkdir()
        (root / "parameters.json").write_text("{}")
        known = [other for other in self.deltas if other in before]
        tree, conflicts = merge([read_delta(self.deltas[other]) for other in known])
        lay_out(root, tree, self.scratch)
        self.warnings += map(str, conflicts)
        stamps = scan(root).stamps
        steps(root)
        author = Author(stage=name, label=f"{name} (step {name})", after=before)
        delta = pack(root, stamps, author, self.scratch, self.warnings.append)
        self.deltas[name], self.after[name] = write_delta(delta), before
        return root

    def delta(self, name) -> Delta:
        return read_delta(self.deltas[name])


def nothing(_):
    """Changes nothing."""


def writer(**files):
    def write(root):
        for name, text in files.items():
            (root / name).write_text(text)

    return write


def names(root):
    return sorted(path.name for path in root.iterdir())


def found(root):
    return {
        str(path.relative_to(root)): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and path.name != "parameters.json"
    }
