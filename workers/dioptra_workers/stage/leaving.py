"""Ending a Ray worker process that no other stage shall get.

Ray offers that only after a number of calls which is fixed beforehand. So the process ends
by itself a moment after its report; should it be given a stage before, it ends at once, and
the runner, which sees that no step has begun, has that stage run elsewhere.
"""

import os
import threading

from dioptra_workers.stage.health import spoiled

SECONDS_TO_REPORT = 1.0


def leave_soon() -> None:
    """End this process once its report is on its way."""
    timer = threading.Timer(SECONDS_TO_REPORT, os._exit, (0,))
    timer.daemon = True
    timer.start()


def leave_if_spoiled() -> None:
    """End this process rather than run anything in it."""
    if spoiled():
        os._exit(0)
