"""Plugin sets on a node: fetched and extracted once, then shared by all its processes."""

import hashlib
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dioptra_ray.errors import DataLossError, NotFoundError
from dioptra_ray.planning.plan import PluginBundle
from dioptra_ray.plugins.activation import PluginSet
from dioptra_ray.plugins.bundle import digest_of, unpack
from dioptra_ray.store import ArtifactStore, bundle_key
from dioptra_workers.holding import hold
from dioptra_workers.stage.sweeping import sweep_sets

_KEPT = 32
"""Sets that this process holds, so that nobody removes them."""

_Wanted = tuple[Path, tuple[PluginBundle, ...]]
_ready: OrderedDict[_Wanted, tuple[PluginSet, int]] = OrderedDict()


def set_key(plugins: Sequence[PluginBundle]) -> str:
    """Name of a plugin set: equal plugins, equal key."""
    text = "".join(f"{plugin.name} {plugin.digest}\n" for plugin in plugins)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def prepare(plugins: Sequence[PluginBundle], *, store: ArtifactStore, cache: Path) -> PluginSet:
    """Have the set below `cache`, one directory a plugin; safe against other processes."""
    wanted = cache, tuple(sorted(plugins, key=lambda plugin: plugin.name))
    held = _ready.get(wanted)
    if held is not None:
        if held[0].root.is_dir():
            _ready.move_to_end(wanted)
            return held[0]
        os.close(_ready.pop(wanted)[1])
    key = set_key(wanted[1])
    plugin_set = PluginSet(key=key, root=cache / key)
    _ready[wanted] = plugin_set, _hold(wanted[1], store, plugin_set.root)
    while len(_ready) > _KEPT:
        os.close(_ready.popitem(last=False)[1][1])
    return plugin_set


def _hold(plugins: Sequence[PluginBundle], store: ArtifactStore, root: Path) -> int:
    while True:
        if not root.is_dir():
            _extract(plugins, store, root)
            sweep_sets(root.parent)
        with suppress(FileNotFoundError):  # somebody has just removed it
            descriptor = hold(root)
            os.utime(root)
            return descriptor


def _extract(plugins: Sequence[PluginBundle], store: ArtifactStore, root: Path) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=root.parent))
    try:
        for plugin in plugins:
            content = _fetch(plugin, store)
            if digest_of(content) != plugin.digest:
                raise DataLossError(
                    f'The stored bundle of plugin "{plugin.name}" does not match its digest '
                    f"{plugin.digest}; import the plugin again.",
                    plugin=plugin.name,
                )
            (partial / plugin.name).mkdir()
            unpack(content, partial / plugin.name)
        partial.chmod(0o755)
        try:
            os.rename(partial, root)  # noqa: PTH104 - Path.rename would do the same, less plainly
        except OSError:
            if not root.is_dir():  # else another process was first
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fetch(plugin: PluginBundle, store: ArtifactStore) -> bytes:
    try:
        return store.get_blob(bundle_key(plugin.digest))
    except NotFoundError:
        raise NotFoundError(
            f'The files of plugin "{plugin.name}" ({plugin.digest}) are not in the artifact store '
            f"{store.url}: they were deleted, or this is not the store that they were imported "
            "into. Import the plugin again, or use that store.",
            plugin=plugin.name,
        ) from None
