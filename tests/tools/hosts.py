"""Several hosts on one machine, each with an address, processes and files of its own.

A host is a network, a PID and a mount namespace: its processes see no other host's, its
`/dev/shm` is its own, and when its first process is killed all others are gone at once, as
if somebody had pulled the plug. Needs root, iproute2 and util-linux.

Any number of these may exist on a machine at once: each takes a number that nobody else
has, and with it a bridge, a subnet and names. Whatever a run that was killed has left under
its number is removed by the next one that takes it.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_NETWORKS = range(1, 250)
_SHARED_MEMORY = "512m"

# The PID namespace's first process. What it runs is its child, so that it can end without
# taking the host along; what is orphaned is its to bury.
_INIT = """
hostname "$1"; shift
mount -t tmpfs -o size="$1" tmpfs /dev/shm; shift
while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done; shift
trap : CHLD
"$@" &
while :; do wait; sleep 1; done
"""


@dataclass(frozen=True, slots=True)
class Host:
    """A host that runs.

    Attributes:
        name: Its name, which resolves on all hosts.
        address: Its address, which everybody on this machine reaches.
        log: What its first program says.
    """

    name: str
    address: str
    log: Path
    _link: str
    _unshare: "subprocess.Popen[bytes]"
    _others: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def run(
        self, *command: str, environment: Mapping[str, str], output: IO[bytes]
    ) -> "subprocess.Popen[bytes]":
        """Start another program on it; it ends with the host."""
        inside = ["nsenter", "-t", self._init, "--net", "--pid", "--mount", "--uts", "--"]
        process = subprocess.Popen(
            [*inside, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
        )
        self._others.append(process)
        return process

    def cut(self) -> None:
        """Drop all packets from and to it; nobody is told."""
        _ip("link", "set", self._link, "down")

    def heal(self) -> None:
        """Let packets through again."""
        _ip("link", "set", self._link, "up")

    def programs(self) -> list[str]:
        """The command lines of its processes, but for the first one."""
        found = []
        inside = Path(f"/proc/{self._init}/ns/pid").readlink()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                mine = (process / "ns/pid").readlink() == inside
                if mine and process.name != self._init:
                    found.append((process / "cmdline").read_text().replace("\0", " ").strip())
        return [program for program in found if program]

    def kill(self) -> None:
        """Pull the plug."""
        if self._unshare.poll() is None:
            os.kill(int(self._init), signal.SIGKILL)
        for process in (self._unshare, *self._others):
            process.wait()

    @property
    def _init(self) -> str:
        """The first process inside, which is unshare's only child."""
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        while not (pid := children.read_text().strip()):
            time.sleep(0.01)
        return pid


class Hosts:
    """Makes hosts on a network of their own; `gateway` is this machine's address there."""

    def __init__(self, number: int, folder: Path, private: Sequence[Path]) -> None:
        self._number = number
        self._prefix = f"drh{number}"
        self._net = f"10.77.{number}"
        self._folder = folder
        self._private = private
        self._next = 2
        self._hosts: dict[str, Host] = {}
        self.gateway = f"{self._net}.1"
        (folder / "hosts").write_text("127.0.0.1 localhost\n")
        # One that answers "no" at once: waiting for a far one costs Ray many seconds.
        (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")

    def start(self, name: str, *command: str, environment: Mapping[str, str]) -> Host:
        """Bring up a host that runs a command; "{address}" in it stands for its address.

        Call it on the main thread: the host ends with the thread that started it.
        """
        address = f"{self._net}.{self._next}"
        self._next += 1
        link = self._connect(name, address)
        with (self._folder / "hosts").open("a") as hosts:
            hosts.write(f"{address} {name}\n")
        files = self._folder / name
        binds = [f"{self._folder}/hosts", "/etc/hosts"]
        binds += [f"{self._folder}/resolv.conf", "/etc/resolv.conf"]
        for path in self._private:
            path.mkdir(parents=True, exist_ok=True)
            own = files / path.name
            own.mkdir(parents=True)
            binds += [str(own), str(path)]
        namespaces = ["ip", "netns", "exec", self._netns(name), "unshare", "--pid", "--mount"]
        namespaces += ["--uts", "--fork", "--mount-proc", "--kill-child=KILL", "--"]
        log = files / "log"
        with log.open("wb") as output:
            unshare = subprocess.Popen(
                # It ends when we do, however we do.
                ["setpriv", "--pdeathsig", "KILL", *namespaces, "sh", "-c", _INIT, "sh"]
                + [name, _SHARED_MEMORY, *binds, "--"]
                + [part.replace("{address}", address) for part in command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
            )
        host = self._hosts[name] = Host(name, address, log, link, unshare)
        return host

    def files(self, host: Host, private: Path) -> Path:
        """Where the host's own version of a private directory is."""
        return self._folder / host.name / private.name

    def up(self) -> None:
        """Make the network, in place of what an earlier one under its number has left."""
        self.down()
        # Without a MAC of its own it takes one of its ports, and another with each new host:
        # those that know the old one would not reach us until they ask again.
        mac = f"02:77:00:00:00:{self._number:02x}"
        _ip("link", "add", self._bridge, "address", mac, "type", "bridge")
        _ip("addr", "add", f"{self.gateway}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")

    def down(self) -> None:
        """End all hosts, and the network."""
        for host in self._hosts.values():
            host.kill()
        # Links first: the kernel takes its time over those of a namespace that is gone.
        for line in _ip("-o", "link", "show").splitlines():
            name = line.split(": ")[1].partition("@")[0]
            if name == self._bridge or name.startswith(f"{self._prefix}v"):
                with contextlib.suppress(subprocess.CalledProcessError):  # it may just be going
                    _ip("link", "del", name)
        for line in _ip("netns", "list").splitlines():
            name = line.split()[0]
            if name.startswith(f"{self._prefix}-"):
                _ip("netns", "del", name)

    @property
    def _bridge(self) -> str:
        return self._prefix

    def _netns(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def _connect(self, name: str, address: str) -> str:
        netns, ours = self._netns(name), f"{self._prefix}v{self._next}"
        _ip("netns", "add", netns)
        _ip("link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", netns)
        _ip("link", "set", ours, "master", self._bridge, "up")
        _ip("-n", netns, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", netns, "link", "set", "eth0", "up")
        _ip("-n", netns, "link", "set", "lo", "up")
        _ip("-n", netns, "route", "add", "default", "via", self.gateway)
        return ours


@contextlib.contextmanager
def hosts(folder: Path, private: Sequence[Path]) -> Iterator[Hosts]:
    """A network for hosts, and its end with all of them.

    Args:
        folder: For their files; must exist.
        private: Directories that each host has for itself.
    """
    with _number() as number:
        found = Hosts(number, folder, private)
        try:
            found.up()
            yield found
        finally:
            found.down()


@contextlib.contextmanager
def _number() -> Iterator[int]:
    """A number that nobody else on this machine has; the kernel takes it back from the dead."""
    for number in _NETWORKS:
        with Path(f"/tmp/dioptra-hosts-{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    raise RuntimeError("every network for hosts is taken")


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
    return done.stdout
