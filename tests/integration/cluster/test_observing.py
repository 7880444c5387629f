"""What is told of steps on several nodes, and of the nodes."""

from tests.integration.cluster.deployment import Deployment
from tests.integration.cluster.test_placement import STUDY, study
from tests.unit.client.test_timeline import check_format


def test_steps_say_their_node_gpus_and_what_they_took(cluster: Deployment) -> None:
    job = cluster.submit("observed", STUDY, study("observed")).wait(60)
    assert job.status == "finished", (job.failure, cluster.logs())
    steps = job.steps
    assert {name: step.gpus for name, step in steps.items()} == {
        "data": (),
        "model": ("0",),
        "score": (),
    }
    assert {step.try_number for step in steps.values()} == {1}
    assert all(step.peak_memory > 0 for step in steps.values())
    assert all(step.cpu_seconds > 0 for step in steps.values())
    assert steps["score"].after == ("data", "model")
    trace = job.timeline()
    check_format(trace)
    processes = {
        event["pid"]: event["args"]["name"]
        for event in trace["traceEvents"]
        if event["name"] == "process_name"
    }
    where = {
        event["name"]: processes[event["pid"]]
        for event in trace["traceEvents"]
        if event.get("cat") == "step"
    }
    assert where == {
        "data": f"node {cluster.address('cpu')}",
        "model": f"node {cluster.address('gpu')}",
        "score": f"node {cluster.address('cpu')}",
    }


def test_the_deployment_lists_its_nodes(cluster: Deployment) -> None:
    (runner,) = cluster.client.cluster().runners
    nodes = {node.address: node for node in runner.nodes}
    assert nodes[cluster.address("gpu")].resources["GPU"] == 1
    assert nodes[cluster.address("gpu")].labels["kind"] == "gpu"
    assert nodes[cluster.address("cpu")].resources["CPU"] == 2
    # Another test's node may be on its way out.
    assert len(nodes) >= 3
