from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from dioptra_ray.store import open_store
from tests.integration.jobs.deployment import Deployment, FakeRunner, seeded


@pytest_asyncio.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    store = open_store(f"file://{tmp_path}/store")
    store.check()
    one = Deployment(f"sqlite:///{tmp_path}/controller.db", store)
    seeded(one.database)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


@pytest_asyncio.fixture
async def runner(deployment: Deployment) -> AsyncIterator[FakeRunner]:
    async with deployment.runner() as fake:
        yield fake
