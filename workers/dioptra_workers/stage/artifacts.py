"""Artifacts of a stage: read before its steps, written and stored after them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dioptra_ray.engine import Execution, read_artifact
from dioptra_ray.engine.program import read_outputs
from dioptra_ray.errors import DioptraError, UnavailableError
from dioptra_ray.language.graph import find_references, parse_reference, read_invocation
from dioptra_ray.planning.plan import PluginBundle
from dioptra_ray.plugins.activation import activate
from dioptra_ray.store import ArtifactStore, Manifest, artifact_key
from dioptra_workers.stage.interpreter import intact
from dioptra_workers.stage.journal import Journal
from dioptra_workers.stage.patience import patiently
from dioptra_workers.stage.pluginsets import prepare
from dioptra_workers.stage.request import ArtifactInput, StageRequest, StoredArtifact


class ArtifactFetchError(Exception):
    """An artifact given to the job cannot be had from the store."""

    def __init__(self, name: str, error: DioptraError) -> None:
        super().__init__(f"Artifact parameter {name!r} cannot be fetched: {error}")
        self.error = error


class ArtifactRefusedError(Exception):
    """What an artifact task has made cannot be stored."""

    def __init__(self, name: str, cause: object) -> None:
        super().__init__(f"Artifact {name!r} cannot be stored: {cause}")


def needed_inputs(request: StageRequest) -> tuple[ArtifactInput, ...]:
    """The artifact inputs that the stage's steps or artifact outputs refer to.

    Their outputs have the names that the entrypoint declares, since those are what its
    references use; their number is the same, which was checked when the job was made.
    """
    given = request.job.artifact_inputs
    if not given:
        return ()
    stage, description = request.stage, request.description
    names = names_taken(description, (*stage.setup, *stage.steps))
    for name in stage.artifacts:
        reference = parse_reference(description["artifact_outputs"][name]["contents"])
        names |= {reference.name} if reference else set()
    declared = description["artifact_inputs"]
    return tuple(
        replace(artifact, outputs=_output_names(declared[artifact.name]))
        for artifact in given
        if artifact.name in names
    )


def names_taken(description: Mapping[str, Any], steps: Iterable[str]) -> set[str]:
    """Whose values some steps refer to: other steps, parameters, artifact parameters."""
    names = set()
    for step in steps:
        invocation = read_invocation(description["graph"][step])
        values = [list(invocation.args), dict(invocation.kwargs)]
        names |= {reference.name for reference in find_references(values)}
    return names


def _output_names(declared: Any) -> tuple[str, ...]:
    single, several = read_outputs(declared)
    return several if single is None else (single,)


def plugins_with_readers(
    plugins: Sequence[PluginBundle], inputs: Sequence[ArtifactInput]
) -> tuple[PluginBundle, ...]:
    """The plugin set, and those plugins that only an artifact input brings along.

    One that the set has in another version stays out: it is activated by itself to read.
    """
    known = {plugin.name: plugin for plugin in plugins}
    for given in inputs:
        name = given.task.partition(".")[0]
        known.setdefault(name, PluginBundle(name=name, digest=given.plugin_digest))
    return tuple(known[name] for name in sorted(known))


def foreign_inputs(
    plugins: Sequence[PluginBundle], inputs: Sequence[ArtifactInput]
) -> dict[PluginBundle, list[ArtifactInput]]:
    """The inputs that a plugin version outside of the set reads, by that plugin."""
    foreign: dict[PluginBundle, list[ArtifactInput]] = {}
    for given in inputs:
        plugin = PluginBundle(name=given.task.partition(".")[0], digest=given.plugin_digest)
        if plugin not in plugins:
            foreign.setdefault(plugin, []).append(given)
    return foreign


def read_inputs(
    inputs: Sequence[ArtifactInput], *, store: ArtifactStore, directory: Path
) -> dict[str, dict[str, Any]]:
    """Fetch and deserialize, with the plugins that read them active."""
    values = {}
    for given in inputs:
        place = directory / ".dioptra" / "artifacts" / str(given.artifact_id)
        if not place.exists():
            place.mkdir(parents=True)
            try:
                patiently(store.get_artifact, given.key, place)
            except DioptraError as error:
                raise ArtifactFetchError(given.name, error) from error
        values[given.name] = read_artifact(
            given.task,
            working_dir=place,
            path=json.loads(given.manifest_json)["basename"],
            output_names=given.outputs,
            name=given.name,
        )
    return values


def read_foreign_inputs(
    foreign: Mapping[PluginBundle, Sequence[ArtifactInput]],
    *,
    store: ArtifactStore,
    cache: Path,
    directory: Path,
) -> dict[str, dict[str, Any]]:
    """Read what another version of a plugin must read; that version is active meanwhile."""
    values: dict[str, dict[str, Any]] = {}
    for plugin, inputs in foreign.items():
        with activate(prepare((plugin,), store=store, cache=cache)), intact():
            values.update(read_inputs(inputs, store=store, directory=directory))
    return values


def write_outputs(
    request: StageRequest,
    execution: Execution,
    *,
    store: ArtifactStore,
    journal: Journal,
    directory: Path,
) -> tuple[StoredArtifact, ...]:
    """Serialize all artifact outputs, then store them; on any failure none remains."""
    names = request.stage.artifacts
    paths = {}
    for name in names:
        with journal.aside(f"artifacts.{name}"):
            path = execution.write_artifact(name)
        paths[name] = _checked(name, path, directory)
    job, tried = request.job, request.round + 1
    keys = {name: artifact_key(job.job_id, job.attempt, name, try_number=tried) for name in names}
    stored: list[StoredArtifact] = []
    try:
        for name, path in paths.items():
            manifest = _store(name, keys[name], path, store)
            stored.append(
                StoredArtifact(name=name, key=keys[name], manifest_json=manifest.to_json())
            )
    except BaseException:
        for name in paths:
            discard(store, keys[name])
        raise
    return tuple(stored)


def _checked(name: str, path: Path, directory: Path) -> Path:
    """The path, if it leads to something inside of the working directory."""
    try:
        place, root = path.resolve(strict=True), directory.resolve()
    except (OSError, RuntimeError) as error:
        raise ArtifactRefusedError(name, error) from None
    if place == root:
        raise ArtifactRefusedError(
            name, "its task returned the working directory itself; return a file or folder in it."
        )
    if not place.is_relative_to(root):
        where = f"{path}, which leads to {place}" if path != place else str(path)
        raise ArtifactRefusedError(
            name, f"its task returned {where}, outside of the working directory; copy it there."
        )
    return path


def _store(name: str, key: str, path: Path, store: ArtifactStore) -> Manifest:
    try:
        return patiently(store.put_artifact, key, path)
    except UnavailableError:
        raise
    except (DioptraError, OSError) as error:
        raise ArtifactRefusedError(name, error) from error


def discard(store: ArtifactStore, key: str) -> None:
    """Remove what may be stored under `key`; a store that is gone keeps no promise."""
    try:
        store.delete_artifact(key)
    except DioptraError:
        return
