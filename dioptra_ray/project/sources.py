"""A plugin's source files, analyzed together."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from dioptra_ray.plugins.signatures import FunctionSignature, ModuleSignatures, analyze
from dioptra_ray.project.model import Place


@dataclass(frozen=True, slots=True)
class PluginSource:
    """A plugin's files, analyzed.

    Attributes:
        name: Plugin name.
        label: What messages call the plugin's folder.
        modules: What each Python file defines, by path inside the plugin.
    """

    name: str
    label: str
    modules: Mapping[str, ModuleSignatures]

    @classmethod
    def read(cls, name: str, files: Mapping[str, bytes], *, label: str) -> "PluginSource":
        """Analyze every Python file."""
        modules = {
            path: _analyze(files[path], f"{label}/{path}")
            for path in sorted(files)
            if path.endswith(".py")
        }
        return cls(name=name, label=label, modules=modules)

    def task_id(self, file: str, name: str) -> str:
        """`plugin.module.name`; an `__init__.py` is its folder."""
        parts = PurePosixPath(file).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        return ".".join((self.name, *parts, name))

    def place(self, file: str, line: int | None) -> Place:
        """A place in one of the files."""
        return Place(file=f"{self.label}/{file}", line=line, column=1 if line else None)

    def function(self, file: str, name: str) -> FunctionSignature | None:
        """The registered function of that name; the last one, which is the one that runs."""
        module = self.modules.get(file, ModuleSignatures())
        found = [function for function in module.functions if function.name == name]
        return found[-1] if found else None


def _analyze(content: bytes, file: str) -> ModuleSignatures:
    try:
        return analyze(content.decode("utf-8-sig"), file=file)
    except UnicodeDecodeError as error:
        issue = Place(file=file).issue("python.syntax", f"This file is not UTF-8 text: {error}.")
        return ModuleSignatures(issues=(issue,))
