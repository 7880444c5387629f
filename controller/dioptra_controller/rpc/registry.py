"""RegistryService: registration of a whole project folder."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy

from dioptra_controller.database.engine import Database
from dioptra_controller.registry import registration
from dioptra_controller.registry.registration import Registered, Registration, Strategy
from dioptra_controller.registry.requests import once
from dioptra_controller.registry.snapshots import Outcome
from dioptra_controller.rpc.archives import keep_stored, read_bounded
from dioptra_ray.api.controller.v1 import registry_service_pb2 as pb
from dioptra_ray.api.controller.v1 import registry_service_pb2_grpc as pb_grpc
from dioptra_ray.errors import ConflictError, InvalidRequestError, NotFoundError
from dioptra_ray.language.issues import Issue
from dioptra_ray.plugins.bundle import pack
from dioptra_ray.project.model import Project
from dioptra_ray.project.reader import read_project
from dioptra_ray.store import ArtifactStore, bundle_key
from dioptra_ray.wire.issues import write_issue

DEFAULT_CONFIG = "dioptra.toml"

# Another import of the same plugins may come between reading and writing.
_MAX_TRIES = 5

_STRATEGIES: Mapping[int, Strategy] = {
    pb.CONFLICT_STRATEGY_UNSPECIFIED: Strategy.UPDATE,
    pb.CONFLICT_STRATEGY_FAIL: Strategy.FAIL,
    pb.CONFLICT_STRATEGY_UPDATE: Strategy.UPDATE,
    pb.CONFLICT_STRATEGY_OVERWRITE: Strategy.OVERWRITE,
}
_OUTCOMES: Mapping[str, pb.ImportOutcome.ValueType] = {
    Outcome.CREATED: pb.IMPORT_OUTCOME_CREATED,
    Outcome.UPDATED: pb.IMPORT_OUTCOME_UPDATED,
    Outcome.UNCHANGED: pb.IMPORT_OUTCOME_UNCHANGED,
}


class RegistryServicer(pb_grpc.RegistryServiceServicer):
    """Answers for registration."""

    def __init__(self, database: Database, store: ArtifactStore) -> None:
        self._database = database
        self._store = store

    async def ImportResources(
        self, request: pb.ImportResourcesRequest, context: Any
    ) -> pb.ImportResourcesResponse:
        """Register a project, all or nothing."""
        if request.strategy not in _STRATEGIES:
            raise InvalidRequestError(f"there is no conflict strategy {request.strategy}")
        content = await asyncio.to_thread(_digest, request)
        project = await asyncio.to_thread(_read, request)
        for attempt in range(1, _MAX_TRIES + 1):
            try:
                registered, warnings = await self._register(request, content, project)
            except ConflictError:
                if attempt == _MAX_TRIES:
                    raise
            else:
                break
        return pb.ImportResourcesResponse(
            resources=map(_encode, registered), warnings=map(write_issue, warnings)
        )

    async def _register(
        self, request: pb.ImportResourcesRequest, content: bytes, project: Project
    ) -> tuple[list[Registered], tuple[Issue, ...]]:
        known = await self._database.read(registration.load_known, project)
        prepared = await asyncio.to_thread(
            self._prepare, project, known, _STRATEGIES[request.strategy]
        )
        done = await self._database.write(_store, request, content, prepared)
        for item in prepared.plugins:
            await asyncio.to_thread(keep_stored, self._store, item.bundle)
        return done, prepared.warnings

    def _prepare(
        self, project: Project, known: registration.Known, strategy: Strategy
    ) -> Registration:
        def fetch(digest: str) -> bytes:
            try:
                return self._store.get_blob(bundle_key(digest))
            except NotFoundError:
                # To import it again is what people are told to do when its files are lost.
                return pack({}).content

        prepared = registration.prepare(project, known, strategy, fetch)
        for item in prepared.plugins:
            # Named by its content: putting it again, or for nothing, does no harm.
            self._store.put_blob(bundle_key(item.bundle.digest), item.bundle.content)
        return prepared


def _read(request: pb.ImportResourcesRequest) -> Project:
    files = read_bounded(request.archive)
    return read_project(files, request.config_path or DEFAULT_CONFIG)


def _digest(request: pb.ImportResourcesRequest) -> bytes:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


def _store(
    connection: sqlalchemy.Connection,
    request: pb.ImportResourcesRequest,
    content: bytes,
    prepared: Registration,
) -> list[Registered]:
    def create() -> str:
        done = registration.apply(connection, prepared, group=request.group)
        return json.dumps([[one.kind, one.name, one.number, one.outcome] for one in done])

    result = once(
        connection,
        request.request_id,
        method="ImportResources",
        content=content,
        create=create,
    )
    return [
        Registered(kind=kind, name=name, number=number, outcome=Outcome(outcome))
        for kind, name, number, outcome in json.loads(result)
    ]


def _encode(one: Registered) -> pb.ImportedResource:
    return pb.ImportedResource(
        kind=one.kind, name=one.name, snapshot=one.number, outcome=_OUTCOMES[one.outcome]
    )
