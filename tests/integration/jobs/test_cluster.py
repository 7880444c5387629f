"""What the deployment tells of runners and the nodes of their clusters."""

from dioptra_controller.rpc.cluster import ClusterServicer
from dioptra_ray.api.controller.v1 import cluster_service_pb2
from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.wire.deployment import Cluster, read_cluster
from tests.integration.jobs.deployment import STORE, Deployment, step


def node(address: str, **resources: float) -> pb.Node:
    return pb.Node(
        id=f"id-{address}", address=address, resources=resources, labels={"zone": address[-1]}
    )


async def look(deployment: Deployment) -> Cluster:
    servicer = ClusterServicer(STORE, deployment.hub.runners)
    answer = await servicer.GetCluster(cluster_service_pb2.GetClusterRequest(), None)
    return read_cluster(answer)


async def test_nodes_are_those_that_the_runner_told_of_last(deployment: Deployment) -> None:
    await deployment.create_job()
    async with deployment.runner(
        nodes=[node("10.0.0.2", GPU=1), node("10.0.0.1", CPU=4)]
    ) as runner:
        (found,) = (await look(deployment)).runners
        assert [one.address for one in found.nodes] == ["10.0.0.1", "10.0.0.2"]
        assert found.nodes[1].resources == {"GPU": 1.0}
        assert found.nodes[1].labels == {"zone": "2"}
        assert found.nodes[1].id == "id-10.0.0.2"
        lease = (await runner.assignment()).lease
        await runner.beat(nodes=[node("10.0.0.3", CPU=1)])
        # Acknowledged, so what came before it has been heard.
        await runner.report(lease, steps_changed=pb.StepsChanged(changes=[step("data", "RUNNING")]))
        (found,) = (await look(deployment)).runners
        assert [one.address for one in found.nodes] == ["10.0.0.3"]
