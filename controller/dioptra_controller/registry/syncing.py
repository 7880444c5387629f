"""Putting an entrypoint together again over newer snapshots of its plugins and types.

In two halves, as registration: reading and storing need a transaction, composing does not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy

from dioptra_controller.registry import entrypoints, parameter_types, plugins, snapshots
from dioptra_controller.registry.composition import Composed, compose_one, refuse_errors
from dioptra_controller.registry.declared import read_declared
from dioptra_controller.registry.entrypoints import EntrypointSnapshot, PluginPin
from dioptra_ray.errors import ConflictError, InvalidRequestError, PreconditionError
from dioptra_ray.language.issues import Issue
from dioptra_ray.language.suggestions import did_you_mean
from dioptra_ray.project.model import ProjectPlugin, ProjectType


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """What a sync works on.

    Attributes:
        present: The entrypoint as it is.
        pinned: The plugin snapshots that it pins now.
        attached: Those that it is to pin.
        types: The registered types.
    """

    present: EntrypointSnapshot
    pinned: Sequence[plugins.PluginSnapshot]
    attached: Sequence[plugins.PluginSnapshot]
    types: Sequence[ProjectType]


def load(connection: sqlalchemy.Connection, name: str, only: Sequence[str] = ()) -> Sync:
    """Read what `compose` needs; `only` names the plugins to renew, empty means all.

    Raises:
        NotFoundError: There is no such entrypoint.
        InvalidRequestError: `only` names a plugin that it does not have.
        PreconditionError: A plugin was deleted.
    """
    present = entrypoints.load_snapshot(connection, name)
    pins = {pin.name: pin for pin in present.plugins}
    if unknown := [plugin for plugin in only if plugin not in pins]:
        hint = did_you_mean(unknown[0], pins) or f" It has: {', '.join(pins) or 'none'}."
        raise InvalidRequestError(f"entrypoint {name!r} has no plugin {unknown[0]!r}.{hint}")
    pinned = plugins.load_by_ids(connection, [pin.snapshot_id for pin in present.plugins])
    return Sync(
        present=present,
        pinned=pinned,
        attached=[
            _renew(connection, pins[one.name]) if not only or one.name in only else one
            for one in pinned
        ],
        types=parameter_types.load_all(connection),
    )


def compose(sync: Sync) -> Composed:
    """Put the entrypoint together again.

    Raises:
        InvalidDescriptionError: It does not fit its plugins or types any more.
    """
    present = sync.present
    declared = read_declared(
        present.declared,
        name=present.name,
        description=present.summary,
        source=present.source,
        source_file=present.source_file,
    )
    composed = compose_one(
        declared,
        plugins={one.name: as_project(one) for one in sync.attached},
        types=_known_types(sync),
    )
    issues = [*composed.issues, *_lost_tasks(sync)]
    refuse_errors(issues, what=f"entrypoint {present.name!r} over newer plugins")
    return composed


def store(connection: sqlalchemy.Connection, sync: Sync, composed: Composed) -> snapshots.Stored:
    """Store what `compose` gave.

    Raises:
        ConflictError: The entrypoint was changed since it was read; sync again.
    """
    name = sync.present.name
    newest = snapshots.get_row(connection, entrypoints.SERIES, name)
    if newest["id"] != sync.present.id:
        raise ConflictError(f"entrypoint {name!r} was changed meanwhile; sync it again")
    pins = [pin_of(one) for one in sync.attached]
    return entrypoints.put(connection, composed.content, pins, mode=snapshots.Mode.UPDATE)


def as_project(snapshot: plugins.PluginSnapshot) -> ProjectPlugin:
    """A stored plugin as what descriptions are composed with."""
    return ProjectPlugin(
        name=snapshot.name,
        description=snapshot.description,
        function_tasks=snapshot.function_tasks,
        artifact_tasks=snapshot.artifact_tasks,
    )


def pin_of(snapshot: plugins.PluginSnapshot) -> PluginPin:
    """The pin of a plugin snapshot."""
    return PluginPin(
        snapshot_id=snapshot.id,
        name=snapshot.name,
        number=snapshot.number,
        digest=snapshot.digest,
    )


def _renew(connection: sqlalchemy.Connection, pin: PluginPin) -> plugins.PluginSnapshot:
    if not pin.newest:
        raise PreconditionError(
            f"plugin {pin.name!r} was deleted; register it again, or put the entrypoint without it"
        )
    return plugins.load_snapshot(connection, pin.name)


def _known_types(sync: Sync) -> list[ProjectType]:
    """The registered types; what is registered no more stays as it was pinned."""
    known = {one.name: one for one in sync.types}
    hinted = {name for one in sync.attached for task in one.function_tasks for name in task.types}
    pinned: Mapping[str, Any] = sync.present.description.get("types") or {}
    for name, structure in pinned.items():
        if name not in known and name not in hinted:
            known[name] = ProjectType(name=name, structure=structure)
    return list(known.values())


def _lost_tasks(sync: Sync) -> Iterator[Issue]:
    """Tasks of a self-contained description that a plugin had and has no more."""
    before = {task.id for one in sync.pinned for task in one.function_tasks}
    after = {task.id for one in sync.attached for task in one.function_tasks}
    tasks: Mapping[str, Any] = sync.present.description.get("tasks") or {}
    for name, task in tasks.items():
        plugin_id = task.get("plugin")
        if plugin_id in before and plugin_id not in after:
            yield Issue(
                severity="error",
                code="task.lost",
                message=f"Task {name!r} calls {plugin_id}, which its plugin has no more."
                f"{did_you_mean(plugin_id, after)}",
                path=f"$.tasks.{name}",
                file=sync.present.source_file or None,
            )
