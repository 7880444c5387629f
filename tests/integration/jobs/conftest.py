from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.integration.jobs.deployment import Deployment, FakeRunner, seeded


@pytest_asyncio.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    one = Deployment(f"sqlite:///{tmp_path}/controller.db")
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
