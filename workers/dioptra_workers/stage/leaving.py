"""Ending a Ray worker process after the task that it runs, so that no other task gets it."""

import os
import threading

import ray

CALLS_FOR_EVER = 1_000_000_000
"""`max_calls` of tasks after which a process may have to end."""

SECONDS_TO_REPORT = 2.0


def leave_after_this_task() -> None:
    """End this process as soon as the present task's results are on their way.

    Ray does so after the last of `max_calls` calls: let it believe that this is the last.
    """
    try:
        manager = ray._private.worker.global_worker.function_actor_manager  # noqa: SLF001
        calls = manager._num_task_executions  # noqa: SLF001
        for function in list(calls):
            calls[function] = CALLS_FOR_EVER - 1
    except (AttributeError, TypeError):  # another Ray: then a moment later, without its help
        threading.Timer(SECONDS_TO_REPORT, os._exit, (0,)).start()
