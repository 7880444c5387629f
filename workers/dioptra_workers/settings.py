"""What a runner is told at its start."""

from dataclasses import dataclass, field
from pathlib import Path

from dioptra_ray.wire.transport import Transport

DEFAULT_SAVE_LIMIT = 4 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSettings:
    """Settings of a runner, read once.

    Attributes:
        controller: HOST:PORT of the controller.
        ray_address: "local" starts a Ray on this machine; else "auto" or HOST:PORT.
        queues: Queues that it serves.
        slots: How many jobs it takes at once; None for twice the CPUs of the cluster, so
            that the next ones are there when a process becomes free.
        name: Name for people.
        store_url: The artifact store, as workers reach it.
        scratch_dir: Directory on every node for working directories and plugins.
        token_file: File with the bearer token for the controller; None for none.
        transport: How to speak to the controller.
        num_cpus: CPUs of a local Ray; None for what the machine has.
        warm: How many CPUs of its node it may hold for warm processes; None for all of a
            local Ray, and none of another, where they would be missing to others.
        drain: For how many seconds after SIGTERM it goes on with the jobs that it holds, while
            it takes no new ones, before it stops them and hands them back.
        save_limit: Bytes of what a finished stage made that are kept at most when its job fails.
        temporary_dir: For the files of a local Ray, removed at the end; None for one in /tmp.
    """

    controller: str
    ray_address: str
    queues: tuple[str, ...]
    slots: int | None
    name: str
    store_url: str
    scratch_dir: Path
    token_file: Path | None = None
    transport: Transport = field(default_factory=Transport)
    num_cpus: int | None = None
    warm: int | None = None
    temporary_dir: Path | None = None
    save_limit: int = DEFAULT_SAVE_LIMIT
    drain: float = 0.0

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What accompanies every call to the controller.

        Raises:
            InvalidRequestError: The token would travel in the clear.
        """
        if self.token_file is None:
            return ()
        token = self.token_file.read_text(encoding="utf-8").strip()
        self.transport.check_token(self.controller, token)
        return (("authorization", f"Bearer {token}"),)
