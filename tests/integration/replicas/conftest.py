import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.contract.database.conftest import postgres_server
from tests.integration.replicas.replica import Replica, fill
from tests.tools.postgres import PostgresServer

__all__ = ["postgres_server"]


@pytest.fixture(scope="session")
def pair(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Replica, Replica]]:
    """Two controllers that share a database; what one test kills, the next one starts again."""
    name = f"test_{os.urandom(6).hex()}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    url = postgres_server.url(name)
    fill(url)
    folder: Path = tmp_path_factory.mktemp("replicas")
    first, second = Replica(folder, url, "first"), Replica(folder, url, "second")
    yield first, second
    for replica in (first, second):
        if replica.is_running:
            replica.kill()


@pytest_asyncio.fixture
async def replicas(pair: tuple[Replica, Replica]) -> AsyncIterator[tuple[Replica, Replica]]:
    """Two controllers on one PostgreSQL, without runners."""
    for replica in pair:
        replica.begin()
    await asyncio.gather(*(replica.ready() for replica in pair))
    yield pair
    for replica in pair:
        if replica.is_running:
            replica.send(signal.SIGCONT)
    for runner in (runner for replica in pair for runner in replica.runners):
        runner.hang_up()
    for replica in pair:
        replica.runners.clear()
        if replica.is_running:
            await replica.has_runners()
        await replica.channel.close()
