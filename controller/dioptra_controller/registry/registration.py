"""Registering a whole project: all of it or nothing, in two halves.

`prepare` does what needs no transaction (packing plugins, composing descriptions) and
`apply` stores the result in one. Between them the caller puts the bundles into the
artifact store, so that a committed snapshot always has its bytes. What `prepare` was based
on is checked again by `apply`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import sqlalchemy

from dioptra_controller.registry import (
    entrypoints,
    names,
    parameter_types,
    plugins,
    queues,
    snapshots,
)
from dioptra_controller.registry.composition import compose, refuse_errors
from dioptra_ray.errors import AlreadyExistsError, ConflictError
from dioptra_ray.language.issues import Issue
from dioptra_ray.plugins.bundle import Bundle, pack, read_archive
from dioptra_ray.project.model import Project, ProjectPlugin, ProjectQueue, ProjectType


class Strategy(StrEnum):
    """What to do with names that exist already."""

    FAIL = "fail"
    UPDATE = "update"
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the registry holds already of what a project declares.

    Attributes:
        plugins: Newest snapshots, by name.
        types: All parameter types.
    """

    plugins: Mapping[str, plugins.PluginSnapshot]
    types: Sequence[ProjectType]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPlugin:
    """A plugin that is ready to be stored.

    Attributes:
        plugin: With everything that its new snapshot holds.
        bundle: Its files, packed.
        based_on: Number of the snapshot that it was merged with; 0 for none.
    """

    plugin: ProjectPlugin
    bundle: Bundle
    based_on: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A project that is ready to be stored; see `apply`."""

    strategy: Strategy
    plugins: tuple[PreparedPlugin, ...]
    types: tuple[ProjectType, ...]
    entrypoints: tuple[tuple[entrypoints.EntrypointContent, tuple[str, ...]], ...]
    queues: tuple[ProjectQueue, ...] = ()
    warnings: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What happened to one thing."""

    kind: str
    name: str
    number: int
    outcome: snapshots.Outcome


def load_known(connection: sqlalchemy.Connection, project: Project) -> Known:
    """Read what `prepare` needs."""
    found = plugins.load_newest(connection, [plugin.name for plugin in project.plugins])
    types = parameter_types.load_all(connection)
    return Known(plugins={plugin.name: plugin for plugin in found}, types=types)


def prepare(
    project: Project,
    known: Known,
    strategy: Strategy,
    fetch_bundle: Callable[[str], bytes],
) -> Registration:
    """Make a project ready to be stored.

    Args:
        project: What was declared.
        known: What the registry holds.
        strategy: What to do with names that exist.
        fetch_bundle: Gives the content of a stored bundle by digest.

    Raises:
        InvalidRequestError: A name is not allowed.
        InvalidDescriptionError: Entrypoints have problems; all of them are listed.
    """
    for plugin in project.plugins:
        names.check_plugin_name(plugin.name)
    prepared = tuple(
        _prepare_plugin(plugin, known.plugins.get(plugin.name), strategy, fetch_bundle)
        for plugin in project.plugins
    )
    types = {one.name: one for one in (*known.types, *project.types)}
    structures = {one.name: one.structure for one in types.values()}
    refuse_errors(
        [
            issue
            for declared in project.types
            for issue in parameter_types.find_problems(declared, structures)
        ],
        what="the project",
    )
    composed = compose(
        project.entrypoints,
        plugins={item.plugin.name: item.plugin for item in prepared},
        types=tuple(types.values()),
    )
    return Registration(
        strategy=strategy,
        plugins=prepared,
        types=project.types,
        entrypoints=tuple(
            (one.content, declared.plugins)
            for one, declared in zip(composed, project.entrypoints, strict=True)
        ),
        queues=project.queues,
        warnings=tuple(
            dict.fromkeys((*project.warnings, *(w for one in composed for w in one.warnings)))
        ),
    )


def apply(
    connection: sqlalchemy.Connection, registration: Registration, *, group: str = ""
) -> list[Registered]:
    """Store a prepared project whose bundles are in the artifact store.

    Raises:
        AlreadyExistsError: A name exists, and the strategy is to fail then.
        ConflictError: A plugin has changed since `prepare`; prepare again.
    """
    if registration.strategy is Strategy.FAIL:
        _refuse_existing(connection, registration)
    done: list[Registered] = []
    pins: dict[str, entrypoints.PluginPin] = {}
    for item in registration.plugins:
        name = item.plugin.name
        _check_base(connection, item)
        stored = plugins.put(connection, item.plugin, item.bundle.digest, group=group)
        pins[name] = entrypoints.PluginPin(
            snapshot_id=stored.id, name=name, number=stored.number, digest=item.bundle.digest
        )
        done.append(_registered("plugin", name, stored))
    for declared in registration.types:
        stored = parameter_types.put(connection, declared, group=group)
        done.append(_registered("parameter_type", declared.name, stored))
    for content, attached in registration.entrypoints:
        stored = entrypoints.put(
            connection, content, [pins[name] for name in attached], group=group
        )
        done.append(_registered("entrypoint", content.name, stored))
    for queue in registration.queues:
        overwrite = registration.strategy is Strategy.OVERWRITE
        stored = queues.register(connection, queue, overwrite=overwrite, group=group)
        done.append(_registered("queue", queue.name, stored))
    return done


def _prepare_plugin(
    plugin: ProjectPlugin,
    known: plugins.PluginSnapshot | None,
    strategy: Strategy,
    fetch_bundle: Callable[[str], bytes],
) -> PreparedPlugin:
    if known is not None and strategy is Strategy.UPDATE:
        kept = {file.path for file in known.files} - set(plugin.files)
        if kept:
            files = read_archive(fetch_bundle(known.digest))
            plugin = _with_kept_files(plugin, known, {path: files[path] for path in sorted(kept)})
    based_on = known.number if known else 0
    return PreparedPlugin(plugin=plugin, bundle=pack(plugin.files), based_on=based_on)


def _with_kept_files(
    plugin: ProjectPlugin, known: plugins.PluginSnapshot, kept: Mapping[str, bytes]
) -> ProjectPlugin:
    functions = [task for task in known.function_tasks if task.file in kept]
    artifacts = [task for task in known.artifact_tasks if task.file in kept]
    return replace(
        plugin,
        files={**plugin.files, **kept},
        function_tasks=tuple(
            sorted((*plugin.function_tasks, *functions), key=lambda task: task.id)
        ),
        artifact_tasks=tuple(
            sorted((*plugin.artifact_tasks, *artifacts), key=lambda task: task.id)
        ),
    )


def _refuse_existing(connection: sqlalchemy.Connection, registration: Registration) -> None:
    wanted = (
        (plugins.SERIES, [item.plugin.name for item in registration.plugins]),
        (parameter_types.SERIES, [declared.name for declared in registration.types]),
        (entrypoints.SERIES, [content.name for content, _ in registration.entrypoints]),
        (queues.SERIES, [queue.name for queue in registration.queues]),
    )
    taken = [
        f"{series.kind} {name!r}"
        for series, listed in wanted
        for name in snapshots.find_existing(connection, series, listed)
    ]
    if taken:
        raise AlreadyExistsError(
            f"exists already: {', '.join(taken)}; nothing was imported "
            "(strategy update or overwrite would make new snapshots)"
        )


def _check_base(connection: sqlalchemy.Connection, item: PreparedPlugin) -> None:
    newest = plugins.load_newest(connection, [item.plugin.name])
    if (newest[0].number if newest else 0) != item.based_on:
        raise ConflictError(f"plugin {item.plugin.name!r} was changed meanwhile; import again")


def _registered(kind: str, name: str, stored: snapshots.Stored) -> Registered:
    return Registered(kind=kind, name=name, number=stored.number, outcome=stored.outcome)
