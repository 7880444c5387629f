"""Modules of a plugin that Python itself has: they could never be imported.

A plugin may be called `json`, as in Dioptra: its modules then appear beside those of Python's
package. Where both have one of the same name, Python's is the one that is found.
"""

import sys
import sysconfig
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path, PurePosixPath

from dioptra_ray.language.issues import Issue
from dioptra_ray.project.sources import PluginSource


def shadowed(source: PluginSource) -> Iterator[Issue]:
    """An issue for each Python file of a plugin that a module of Python hides."""
    if source.name not in sys.stdlib_module_names:
        return
    for file, module in source.modules.items():
        parts = PurePosixPath(file).with_suffix("").parts
        is_init = parts == ("__init__",)
        if is_init and (module.functions or module.artifact_classes):
            yield _issue(source, file, source.name)
        names = accumulate((source.name, *parts), "{}.{}".format)
        hidden = next((name for name in names if "." in name and _is_pythons(name)), None)
        if hidden is not None and not is_init:
            yield _issue(source, file, hidden)


def _issue(source: PluginSource, file: str, module: str) -> Issue:
    message = (
        f"{module} is a module of Python itself, which would be imported instead of this file; "
        "rename the plugin or the file."
    )
    return source.place(file, 1).issue("plugin.hidden", message)


def _is_pythons(name: str) -> bool:
    if name == "os.path":  # the one that is no file
        return True
    base = Path(sysconfig.get_path("stdlib"), *name.split("."))
    return base.with_suffix(".py").is_file() or base.joinpath("__init__.py").is_file()
