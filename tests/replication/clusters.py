"""PostgreSQL servers on ports of the loopback interface, one of them a standby of the other."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.servers import STOPPED_WITHIN, CommandFailed, free_port, get_server

HOST: Final = "127.0.0.1"
COPIED_WITHIN: Final = 30.0  # seconds


@dataclass(slots=True)
class Server:
    """A PostgreSQL that trusts everybody on this machine, in a folder that is its own."""

    folder: Path
    wheel: Any  # which has no types
    port: int = field(default_factory=free_port)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        options = (
            f"-h {HOST} -p {self.port} -k '' -c fsync=off -c wal_retrieve_retry_interval=100ms"
        )
        self._run("pg_ctl", "-w", "-D", self.folder, "-l", self.log, "-o", options, "start")

    def stop(self) -> None:
        if self._pid_file.exists():
            self._run("pg_ctl", "-w", "-D", self.folder, "-m", "immediate", "stop")

    def kill(self) -> None:
        """In the middle of whatever it does."""
        postmaster, *_ = self._pid_file.read_text(encoding="utf-8").splitlines()
        os.kill(int(postmaster), signal.SIGKILL)
        self._pid_file.unlink()

    def promote(self) -> None:
        """Make the primary of it; returns when it is."""
        self._run("pg_ctl", "-w", "-D", self.folder, "promote")

    def ask(self, statement: str, database: str = "postgres") -> str:
        """What the statement answers, as text."""
        return subprocess.check_output(
            [self.wheel.bin_path / "psql", "-XAtqc", statement, self.url(database)], text=True
        ).strip()

    def set(self, name: str, value: str) -> None:
        self.ask(f"ALTER SYSTEM SET {name} = '{value}'")
        self.ask("SELECT pg_reload_conf()")

    def copied(self, folder: Path, port: int | None = None) -> "Server":
        """A standby of this one, running."""
        copy = Server(folder, self.wheel, port or free_port())
        folder.mkdir()
        if self.wheel.system_user is not None:  # we are root, as which PostgreSQL does not run
            folder.chmod(0o700)
            subprocess.run(["chown", self.wheel.system_user, folder], check=True)
        source = ("-h", HOST, "-p", str(self.port), "-U", "postgres")
        self._run("pg_basebackup", *source, "-D", folder, "-R", "-N", "-c", "fast")
        copy.start()
        return copy

    def wait_for_its_standby(self) -> None:
        """From now on a commit is acknowledged only when a standby has it, too."""
        self.set("synchronous_standby_names", "*")
        deadline = time.monotonic() + COPIED_WITHIN
        while self.ask("SELECT sync_state FROM pg_stat_replication") != "sync":
            if time.monotonic() > deadline:
                raise CommandFailed("there is no synchronous standby")
            time.sleep(0.05)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "postmaster.pid"

    def _run(self, program: str, *arguments: str | Path) -> None:
        # Not through a pipe, which the server that `pg_ctl` leaves behind would keep open.
        subprocess.run(
            [self.wheel.bin_path / program, *arguments],
            user=self.wheel.system_user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=STOPPED_WITHIN,
            cwd=self.folder.parent,
            check=True,
        )


@contextmanager
def servers() -> Iterator[list[Server]]:
    """A primary. Whatever else is put into the list is stopped in the end, as it is."""
    with TemporaryDirectory(prefix="tradepost-replication-") as name:
        folder = Path(name) / "first"
        wheel = get_server(folder, start=False)
        wheel.ensure_pgdata_inited()
        running = [Server(folder, wheel)]
        try:
            running[0].start()
            yield running
        finally:
            for server in running:
                server.stop()
