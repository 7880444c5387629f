"""Every service of the controller with the servicer that answers for it."""

from dioptra_controller.access.verifying import Verifier
from dioptra_controller.artifacts.collector import Collector
from dioptra_controller.database.engine import Database
from dioptra_controller.rpc.access import AccessServicer
from dioptra_controller.rpc.artifacts import ArtifactServicer
from dioptra_controller.rpc.cluster import ClusterServicer
from dioptra_controller.rpc.entrypoints import EntrypointServicer
from dioptra_controller.rpc.experiments import ExperimentServicer
from dioptra_controller.rpc.jobs import JobServicer
from dioptra_controller.rpc.parameter_types import ParameterTypeServicer
from dioptra_controller.rpc.plugins import PluginServicer
from dioptra_controller.rpc.queues import QueueServicer
from dioptra_controller.rpc.registry import RegistryServicer
from dioptra_controller.rpc.resources import ResourceServicer
from dioptra_controller.rpc.runner import RunnerServicer
from dioptra_controller.rpc.server import Service
from dioptra_controller.rpc.sweeps import SweepServicer
from dioptra_controller.scheduling.hub import Hub
from dioptra_controller.settings import Settings
from dioptra_ray.api.controller.v1 import access_service_pb2_grpc as access_grpc
from dioptra_ray.api.controller.v1 import artifact_service_pb2_grpc as artifact_grpc
from dioptra_ray.api.controller.v1 import cluster_service_pb2_grpc as cluster_grpc
from dioptra_ray.api.controller.v1 import entrypoint_service_pb2_grpc as entrypoint_grpc
from dioptra_ray.api.controller.v1 import experiment_service_pb2_grpc as experiment_grpc
from dioptra_ray.api.controller.v1 import job_service_pb2_grpc as job_grpc
from dioptra_ray.api.controller.v1 import parameter_type_service_pb2_grpc as parameter_type_grpc
from dioptra_ray.api.controller.v1 import plugin_service_pb2_grpc as plugin_grpc
from dioptra_ray.api.controller.v1 import queue_service_pb2_grpc as queue_grpc
from dioptra_ray.api.controller.v1 import registry_service_pb2_grpc as registry_grpc
from dioptra_ray.api.controller.v1 import resource_service_pb2_grpc as resource_grpc
from dioptra_ray.api.controller.v1 import sweep_service_pb2_grpc as sweep_grpc
from dioptra_ray.api.runner.v1 import runner_service_pb2_grpc as runner_grpc
from dioptra_ray.store import ArtifactStore

_PACKAGE = "dioptra_ray.api.controller.v1"


def make_services(  # noqa: PLR0913 - one argument a part
    database: Database,
    store: ArtifactStore,
    hub: Hub,
    *,
    collector: Collector,
    settings: Settings,
    verifier: Verifier,
) -> list[Service]:
    """Make every servicer over one database and one store."""
    return [
        Service(
            name=f"{_PACKAGE}.AccessService",
            servicer=AccessServicer(database, verifier),
            add=access_grpc.add_AccessServiceServicer_to_server,
        ),
        Service(
            name=f"{_PACKAGE}.ArtifactService",
            servicer=ArtifactServicer(
                database,
                store,
                collector,
                max_upload=settings.max_upload_bytes,
                link_seconds=settings.download_link_seconds,
            ),
            add=artifact_grpc.add_ArtifactServiceServicer_to_server,
        ),
        Service(
            name=f"{_PACKAGE}.ClusterService",
            servicer=ClusterServicer(store.url, hub.runners),
            add=cluster_grpc.add_ClusterServiceServicer_to_server,
        ),
        Service(
            name=f"{_PACKAGE}.EntrypointService",
            servicer=EntrypointServicer(database),
            add=entrypoint_grpc.add_EntrypointServiceServicer_to_server,
        ),
        Service(
            name=f"{_PACKAGE}.ExperimentService",
            servicer=ExperimentServicer(database),
            add=experiment_grpc.add_ExperimentServiceServicer_to_server,
        ),
        Service(
            name=f"{_PACKAGE}.JobService",
            servicer=JobServicer(database, hub, store),
            add=job_grpc.add_JobServiceServicer_to_server,
        ),
        Service(
            name=f"{_PACKAGE}.ParameterTypeService",
            servicer=ParameterTypeServicer(database),
            add=parameter_type_grpc.add_ParameterTypeServiceServicer_to_server,
        ),
        Service(
            name=f"{_PACKAGE}.PluginService",
            servicer=PluginServicer(database, store),
            add=plugin_grpc.add_PluginServiceServicer_to_server,
        ),
        Service(
            name=f"{_PACKAGE}.QueueService",
            servicer=QueueServicer(database, hub.runners),
            add=queue_grpc.add_QueueServiceServicer_to_server,
        ),
        Service(
            name=f"{_PACKAGE}.RegistryService",
            servicer=RegistryServicer(database, store),
            add=registry_grpc.add_RegistryServiceServicer_to_server,
        ),
        Service(
            name=f"{_PACKAGE}.ResourceService",
            servicer=ResourceServicer(database, store),
            add=resource_grpc.add_ResourceServiceServicer_to_server,
        ),
        Service(
            name=f"{_PACKAGE}.SweepService",
            servicer=SweepServicer(database, hub),
            add=sweep_grpc.add_SweepServiceServicer_to_server,
        ),
        Service(
            name="dioptra_ray.api.runner.v1.RunnerService",
            servicer=RunnerServicer(
                # Runners say their store's URL in its normal form, too.
                database,
                hub,
                settings.model_copy(update={"store_url": store.url}),
            ),
            add=runner_grpc.add_RunnerServiceServicer_to_server,
        ),
    ]
