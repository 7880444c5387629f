"""A fresh process, from its fork to its end: it waits for a stage, runs it, and is gone.

It does before it waits whatever does not depend on the stage.
"""

import os
import select
import signal
import socket
import traceback
from typing import NoReturn

from dioptra_workers.stage import environment, live
from dioptra_workers.stage.channel import Channel
from dioptra_workers.stage.events import Event
from dioptra_workers.stage.interrupt import Kind
from dioptra_workers.stage.run import run_stage


def be_fresh(descriptor: int, idle_seconds: float) -> NoReturn:
    """Run one stage in the present process, and end it; without one if none comes for long."""
    code = 1
    try:
        connection = socket.socket(fileno=descriptor)
        channel = Channel(connection)
        environment.settle()
        live.get_ready()
        channel.send(os.getpid())
        readable, _, _ = select.select([connection], [], [], idle_seconds)
        if readable:
            _serve(channel)
        code = 0
    except (EOFError, OSError):
        pass  # whoever wanted it is gone
    except BaseException:  # noqa: BLE001 - nobody else would say it
        traceback.print_exc()
    finally:
        os._exit(code)


def _serve(channel: Channel) -> None:
    variables, request, arguments, node = channel.receive()
    channel.send(("begun", None))
    environment.take_on(variables)

    def push(first: int, events: tuple[Event, ...]) -> Kind | None:
        try:
            channel.send(("push", (first, events)))
            answer: Kind | None = channel.receive()
        except (EOFError, OSError):
            # Whoever wants to know is gone, and the template will be in a moment.
            os.kill(os.getpid(), signal.SIGKILL)
            raise
        return answer

    # It cleans up before it answers: its worker, and with that this process, may end at once.
    results = run_stage(request, *arguments, node=node, push=push, alone=True)
    channel.send(("done", results))
