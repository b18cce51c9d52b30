"""Short slices in turns, each checked against the tables before it counts."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.benchmarks.books import wrong_books
from tests.benchmarks.figures import Row, Slice
from tests.benchmarks.load import Answered, Ask, Load, Loader
from tests.benchmarks.serving import SERVER, Server, cpu_seconds, on
from tests.benchmarks.shop import Shop

WARMING_UP: Final = 0.4  # seconds
PREPARING: Final = 1.0
MOST_COMPLAINTS: Final = 10  # of a row

# One slice of so many seconds; the text is unlike that of any other slice.
Way = Callable[[float, str], Answered]


@dataclass(frozen=True, slots=True)
class Work:
    """A row that is to be measured, and how each of its variants does it."""

    row: Row
    ways: Mapping[str, Way]
    shop: Shop
    lines: int = 0  # of each order that is placed; 0 where none is


@dataclass(frozen=True, slots=True)
class Extent:
    rounds: int
    seconds: float  # a slice


def measure(work: Work, extent: Extent) -> None:
    """Fill the row, each round in another order, so that nobody always comes after the same."""
    names = [*work.ways]
    work.row.series = {name: [] for name in names}
    for number in range(-1, extent.rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            tag = f"{work.row.name}-{names.index(name)}-{number}"
            if number < 0:
                _slice(work, name, WARMING_UP, tag)
            else:
                work.row.series[name].append(_slice(work, name, extent.seconds, tag))


def _slice(work: Work, name: str, seconds: float, tag: str) -> Slice | None:
    before = work.shop.books() if work.lines else None
    answered = work.ways[name](seconds, tag)
    complaints = [*answered.complaints]
    if before is not None:
        after = work.shop.books()
        complaints += wrong_books(before, after, created=answered.answers, lines=work.lines)
    if not answered.times:
        complaints.append("nothing was answered")
    if complaints:
        room = MOST_COMPLAINTS - len(work.row.complaints)
        work.row.complaints += [f"{name}: {complaint}" for complaint in complaints][:room]
        return None
    cpu = answered.cpu and 1000 * answered.cpu / answered.answers
    return Slice.of(answered.rate, answered.times, cpu)


def served(loader: Loader, server: Server, clients: int, asks: Sequence[Ask]) -> Way:
    """By a server, asked over HTTP."""
    first = 0

    def way(seconds: float, tag: str) -> Answered:
        nonlocal first
        before = cpu_seconds(server.process)
        answered = loader.put(Load(server.port, clients, seconds, asks, tag, first))
        answered.cpu = cpu_seconds(server.process) - before
        first += answered.answers + clients
        return answered

    return way


def scripted(programs: Path, socket: Path, database: str, clients: int, script: str) -> Way:
    """By pgbench, which has the core that a server would have."""

    def way(seconds: float, tag: str) -> Answered:
        with TemporaryDirectory(prefix="tradepost-pgbench-") as name, on(SERVER):
            folder = Path(name)
            (folder / "script.sql").write_text(script, encoding="utf-8")
            whole = ceil(seconds + PREPARING)
            ended = subprocess.run(
                [
                    *(programs / "pgbench", "--host", socket, "--username", "postgres"),
                    *("--client", str(clients), "--jobs", "1", "--time", str(whole)),
                    *("--no-vacuum", "--protocol", "prepared", "--log", "--file", "script.sql"),
                    *("--define", f"start={time.time_ns() // 1_000_000}", "--define", "n=0"),
                    database,
                ],
                cwd=folder,
                env={**os.environ, "PGOPTIONS": "-c plan_cache_mode=force_generic_plan"},
                capture_output=True,
                text=True,
                timeout=whole + 60,
                check=False,
            )
            done = [
                (int(line.split()[4]) + int(line.split()[5]) / 1e6, int(line.split()[2]) / 1000)
                for log in folder.glob("pgbench_log.*")
                for line in log.read_text(encoding="ascii").splitlines()
            ]
        return read_pgbench(ended.returncode, ended.stderr, done, seconds)

    return way


def read_pgbench(
    code: int, complained: str, done: Sequence[tuple[float, float]], seconds: float
) -> Answered:
    """
    What pgbench has done: of each transaction when it ended, and how many milliseconds it took.

    The rate is that of the last so many seconds: before them each connection prepares everything.
    """
    if code != 0 or "aborted" in complained:
        return Answered(seconds, complaints=[f"pgbench ended with {code}: {complained[-500:]}"])
    end = max((at for at, _ in done), default=0.0)
    times = [taken for at, taken in done if at > end - seconds]
    return Answered(seconds, len(done), times)
