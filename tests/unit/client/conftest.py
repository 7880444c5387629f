"""A controller that tests fill in, and a client of it."""

from collections.abc import Iterator

import pytest

from dioptra_ray.client import Client
from tests.unit.client.fake_controller import Controller


@pytest.fixture
def controller() -> Iterator[Controller]:
    controller = Controller()
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def client(controller: Controller) -> Iterator[Client]:
    with Client(controller.address, token="secret", patience=20.0) as client:
        yield client
