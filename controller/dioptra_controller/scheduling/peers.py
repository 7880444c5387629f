"""Other controllers on the same PostgreSQL: telling them what changed, hearing what they did.

Telling happens after the commit, so that no transaction waits for it, and with many changes
in one telegram. Telegrams can be lost, with the connection or with the controller that was
about to send them: they only make things quick. A look at everything every few seconds makes
them sure.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import psycopg
import structlog

from dioptra_controller.database.engine import Database
from dioptra_controller.scheduling import telegrams

_log = structlog.get_logger("dioptra_controller.peers")

CHANNEL = "dioptra_ray"
LOOK_SECONDS = 5.0
_ANSWER_SECONDS = 10.0
_RETRY_SECONDS = 1.0
# Any number will do, as long as every controller of a database uses the same.
_DUTY_LOCK = 7_204_117_532


class Peers:
    """The connections to a database on which its controllers talk with each other.

    One of the controllers is on duty: it does what one of them is enough for. It is the one
    that holds a lock of the database, for as long as its connection lives.

    Args:
        database: A PostgreSQL.
        controller: Id of this controller.
        deliver: Gets what another one has said; called in the event loop.

    Attributes:
        is_on_duty: Whether this controller is the one.
    """

    def __init__(
        self, database: Database, controller: str, deliver: Callable[[telegrams.News], None]
    ) -> None:
        self._database = database
        self._controller = controller
        self._deliver = deliver
        # A dict, because order matters and repetition does not.
        self._words: dict[str, None] = {}
        self._has_words = asyncio.Event()
        self._all_said = asyncio.Event()
        self._all_said.set()
        self._tasks: list[asyncio.Task[None]] = []
        self.is_on_duty = False

    async def start(self) -> None:
        """Begin to listen and to tell; one that is alone is on duty when this returns."""
        ready = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._always(self._listen), name="peers-listen"),
            asyncio.create_task(self._always(lambda: self._talk(ready)), name="peers-talk"),
        ]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ready.wait(), _ANSWER_SECONDS)

    async def stop(self) -> None:
        """Say what is left to say, and hang up."""
        if self._tasks:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_said.wait(), _RETRY_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def tell(self, notices: Iterable[Any]) -> None:
        """Let the others know, soon."""
        words = (telegrams.encode(notice) for notice in notices)
        self._words.update((word, None) for word in words if word is not None)
        if self._words:
            self._all_said.clear()
            self._has_words.set()

    async def _listen(self) -> None:
        async with await self._connect() as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            while True:
                # What was said before we listened, or was never said.
                self._deliver(telegrams.LookAgain())
                async for heard in connection.notifies(timeout=LOOK_SECONDS):
                    for news in telegrams.unpack(heard.payload, reader=self._controller):
                        self._deliver(news)
                # A connection that is dead without saying so would stay silent for ever.
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await connection.execute("SELECT 1")

    async def _talk(self, ready: asyncio.Event) -> None:
        try:
            async with await self._connect() as connection:
                while True:
                    await self._stand_for_duty(connection)
                    ready.set()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._has_words.wait(), LOOK_SECONDS)
                    await self._send(connection)
        finally:
            self.is_on_duty = False

    async def _send(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._has_words.clear()
        words, self._words = self._words, {}
        for telegram in telegrams.pack(self._controller, words):
            async with asyncio.timeout(_ANSWER_SECONDS):
                await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, telegram))
        if not self._words:
            self._all_said.set()

    async def _stand_for_duty(self, connection: psycopg.AsyncConnection[Any]) -> None:
        if self.is_on_duty:
            return
        async with asyncio.timeout(_ANSWER_SECONDS):
            cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (_DUTY_LOCK,))
            row = await cursor.fetchone()
        self.is_on_duty = bool(row and row[0])
        if self.is_on_duty:
            _log.info("controller.on_duty", controller=self._controller)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(
            **self._database.connect_arguments(), autocommit=True
        )

    async def _always(self, work: Callable[[], Any]) -> None:
        while True:
            try:
                await work()
            except (psycopg.Error, OSError, TimeoutError) as error:
                _log.warning("peers.unavailable", message=str(error).strip())
            except Exception:  # noqa: BLE001 - logged with its trace; it begins anew
                _log.exception("peers.crashed")
            await asyncio.sleep(_RETRY_SECONDS)
