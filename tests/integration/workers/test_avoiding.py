"""Stages that should run anywhere but on some nodes."""

import pytest
import ray

from dioptra_ray.planning.plan import Resources
from dioptra_workers.runner.cluster import NODE_LABEL, _options

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.usefixtures("lab")
async def test_a_node_that_is_avoided_serves_when_there_is_no_other() -> None:
    here = ray.get_runtime_context().get_node_id()
    options = _options(Resources(num_cpus=0), "", frozenset({here}))
    assert options["label_selector"] == {NODE_LABEL: f"!in({here})"}
    where = ray.remote(lambda: ray.get_runtime_context().get_node_id())
    assert await where.options(**options).remote() == here
