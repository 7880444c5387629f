"""The blocking client."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from dioptra_ray.api.controller.v1 import cluster_service_pb2, registry_service_pb2
from dioptra_ray.api.controller.v1.cluster_service_pb2_grpc import ClusterServiceStub
from dioptra_ray.api.controller.v1.registry_service_pb2_grpc import RegistryServiceStub
from dioptra_ray.client.access import Audit, Groups, Tokens
from dioptra_ray.client.artifacts import Artifacts
from dioptra_ray.client.connection import Connection
from dioptra_ray.client.entrypoints import Entrypoints
from dioptra_ray.client.jobs import Jobs
from dioptra_ray.client.namespaces import Experiments, Queues
from dioptra_ray.client.parameter_types import ParameterTypes
from dioptra_ray.client.plugins import Plugins
from dioptra_ray.client.project import read_project_files
from dioptra_ray.client.requests import make
from dioptra_ray.client.resources import Tags
from dioptra_ray.client.sweeps import Sweeps
from dioptra_ray.embedded.state import find_deployment
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.wire.deployment import Cluster, Imported, read_cluster, read_imported
from dioptra_ray.wire.transport import Transport

Strategy = Literal["fail", "update", "overwrite"]

IMPORT_SECONDS: Final = 300.0
_STRATEGIES: Final = {
    "fail": registry_service_pb2.CONFLICT_STRATEGY_FAIL,
    "update": registry_service_pb2.CONFLICT_STRATEGY_UPDATE,
    "overwrite": registry_service_pb2.CONFLICT_STRATEGY_OVERWRITE,
}


class Client:
    """A connection to a controller; use it as a context manager, or `close` it.

    Attributes:
        address: Where the controller listens.
        jobs: Submitting, watching and stopping jobs.
        sweeps: The same for sweeps.
        artifacts: Stored outputs of jobs.
        plugins: Registered plugins.
        entrypoints: Registered entrypoints.
        parameter_types: Registered parameter types.
        experiments: Namespaces for jobs.
        queues: Where jobs wait.
        tags: Words on anything, to find it again.
        tokens: What callers of the controller show; and who you are to it.
        groups: What things belong to.
        audit: Who did what.
    """

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        tls: bool = False,
        ca_file: str | Path | None = None,
        cert_file: str | Path | None = None,
        key_file: str | Path | None = None,
        insecure: bool = False,
        state_dir: str | Path | None = None,
        patience: float = 30.0,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Connect; nothing is sent before the first call.

        Args:
            address: "host:port" of the controller, or "https://host:port" for TLS; None for
                the embedded deployment.
            token: The bearer token; the embedded deployment's is found by itself.
            tls: Whether to use TLS, which the files below imply.
            ca_file: Certificates (PEM) of who vouches for the controller; None for those that
                the system trusts.
            cert_file: Your own certificate (PEM), where the controller asks for one.
            key_file: Its private key (PEM).
            insecure: Whether the token may be sent to other machines without TLS.
            state_dir: State directory of the embedded deployment, if not the usual one.
            patience: For how many seconds calls and watches try to reach a controller
                that does not answer.
            tell: Told, in words for people, when a watch has lost the controller, and when
                it goes on.

        Raises:
            InvalidRequestError: The token would be sent to another machine without TLS, or a
                file cannot be used.
            UnavailableError: No address is given and no embedded deployment is up.
        """
        if address is None:
            deployment = find_deployment(state_dir)
            address, token = deployment.address, token or deployment.token
        self.address = address
        transport = Transport(
            tls=tls,
            ca_file=_path(ca_file),
            cert_file=_path(cert_file),
            key_file=_path(key_file),
            insecure=insecure,
        )
        self._connection = Connection(
            address, token=token, patience=patience, tell=tell, transport=transport
        )
        self.artifacts = Artifacts(self._connection)
        self.jobs = Jobs(self._connection, self.artifacts)
        self.sweeps = Sweeps(self._connection)
        self.plugins = Plugins(self._connection)
        self.entrypoints = Entrypoints(self._connection)
        self.parameter_types = ParameterTypes(self._connection)
        self.experiments = Experiments(self._connection)
        self.queues = Queues(self._connection)
        self.tags = Tags(self._connection)
        self.tokens = Tokens(self._connection)
        self.groups = Groups(self._connection)
        self.audit = Audit(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; what was submitted goes on."""
        self._connection.close()

    def cluster(self) -> Cluster:
        """Read the deployment: version, artifact store, connected runners."""
        stub = ClusterServiceStub(self._connection.channel)
        request = make(cluster_service_pb2.GetClusterRequest)
        return read_cluster(self._connection.call(stub.GetCluster, request))

    def import_project(
        self,
        path: str | Path,
        *,
        strategy: Strategy = "update",
        group: str = "",
        request_id: str = "",
    ) -> Imported:
        """Register the plugins, types and entrypoints of a project, all or nothing.

        Args:
            path: Its `dioptra.toml`, the folder with one, or a .tar.gz or .zip of that.
            strategy: What to do with names that exist: "fail", "update" (files that the
                project lacks stay) or "overwrite".
            group: What will be new belongs to it; your own group if not given.
            request_id: Makes the call idempotent.

        Raises:
            InvalidDescriptionError: `issues` has everything wrong with the project.
            AlreadyExistsError: A name exists, and the strategy is "fail".
        """
        if strategy not in _STRATEGIES:
            raise InvalidRequestError(
                f"there is no strategy {strategy!r}: use one of {', '.join(_STRATEGIES)}"
            )
        project = read_project_files(Path(path))
        request = make(
            registry_service_pb2.ImportResourcesRequest,
            request_id=request_id,
            archive=project.pack(),
            config_path=project.config_path,
            strategy=_STRATEGIES[strategy],
            group=group,
        )
        stub = RegistryServiceStub(self._connection.channel)
        response = self._connection.call(stub.ImportResources, request, timeout=IMPORT_SECONDS)
        return read_imported(response)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
