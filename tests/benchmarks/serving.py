"""Servers as processes of their own, each kept on the cores that are meant for it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.servers import COMMAND, STOPPED_WITHIN, CommandFailed, free_port, waiting_until_ready

_CORES: Final = sorted(os.sched_getaffinity(0))
# One for the server that is measured; PostgreSQL and the clients have the others.
SERVER: Final = _CORES[:1]
OTHERS: Final = _CORES[1:] or _CORES

ROOT: Final = Path(__file__).parents[2]


class ServerFailed(Exception):
    """A server ended before it should, or was not there at all."""


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    process: int  # its id

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def on(cores: Sequence[int]) -> Iterator[None]:
    """What is started inside the block runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def started(command: Sequence[str | Path], environment: Mapping[str, str], log: Path) -> Server:
    """Begin to serve; `{port}` in the command stands for the port."""
    port = free_port()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRADEPOST_")}
    with log.open("ab") as output, on(SERVER):
        process = subprocess.Popen(
            [str(part).replace("{port}", str(port)) for part in command],
            env={**inherited, **environment},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    _PROCESSES[process.pid] = process
    return Server(port, process.pid)


_PROCESSES: Final[dict[int, subprocess.Popen[bytes]]] = {}


def stop(server: Server) -> None:
    process = _PROCESSES.pop(server.process)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def serving(
    command: Sequence[str | Path], environment: Mapping[str, str], log: Path
) -> Iterator[Server]:
    """The server is ready inside the block."""
    server = started(command, environment, log)
    try:
        try:
            waiting_until_ready(server.url, _PROCESSES[server.process])
        except CommandFailed as failure:
            raise ServerFailed(f"{failure}:\n{_end_of(log)}") from None
        yield server
        if _PROCESSES[server.process].poll() is not None:
            raise ServerFailed(f"the server died:\n{_end_of(log)}")
    finally:
        stop(server)


def ours(*options: str) -> list[str | Path]:
    return [COMMAND, "serve", "--host", "127.0.0.1", "--port", "{port}", *options]


def uvicorn(application: str) -> list[str | Path]:
    """Any other application, on the same server with the same quickest parts."""
    return [
        *(sys.executable, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", "{port}"),
        *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
    ]


def cpu_seconds(process: int) -> float:
    """What the process has used of the processor, in its own code and in the kernel's."""
    after_name = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    user, system = after_name.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def memory(process: int) -> float:
    """MiB that the process has in memory."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError(process)


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
