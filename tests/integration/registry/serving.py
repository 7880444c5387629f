"""A whole controller on a thread of this process, so that blocking clients can talk to it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dioptra_controller.bootstrap import Controller
from dioptra_controller.settings import Settings


@contextmanager
def serve(folder: Path, **changes: Any) -> Iterator[Controller]:
    """Start a controller with SQLite and a directory store, and stop it at the end."""
    settings = Settings(
        listen="127.0.0.1:0",
        database_url=f"sqlite:///{folder / 'controller.db'}",
        store_url=(folder / "store").as_uri(),
    ).model_copy(update=changes)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="controller", daemon=True)
    thread.start()
    controller = Controller(settings)
    try:
        asyncio.run_coroutine_threadsafe(controller.start(), loop).result(60)
        yield controller
    finally:
        asyncio.run_coroutine_threadsafe(controller.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()
