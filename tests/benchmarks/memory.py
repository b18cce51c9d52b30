"""What a worker of the service takes: to start, when idle, after load, and for minutes on end."""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import httpx
from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import Verdict
from tests.benchmarks.load import Ask, Load, Loader
from tests.benchmarks.serving import (
    OTHERS,
    ROOT,
    Server,
    ServerFailed,
    cpu_seconds,
    memory,
    on,
    ours,
    serving,
    started,
    stop,
)
from tests.benchmarks.shop import (
    Shop,
    fill,
    listing_categories,
    ordering,
    reading_orders,
    reading_products,
    searching,
)
from tests.servers import postgres_cluster

RESULTS: Final = ROOT / "build" / "bench"
STARTS: Final = 3
MOST_TO_START: Final = 1.5  # seconds of CPU
MOST_MEMORY: Final = 110.0  # MiB
MOST_GROWTH: Final = 1.05  # of the second half over the first, in the medians
CLIENTS: Final = 16
SAMPLE: Final = 5.0  # seconds
WARM_UP: Final = 10.0
PRODUCTS: Final = 10_000
MINUTES: Final = 10.0
STARTED_WITHIN: Final = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Measured:
    starts: Sequence[float]  # seconds of CPU
    idle: float  # MiB, as is all memory here
    loaded: float
    series: Sequence[float]
    answers: int
    complaints: Sequence[str]

    @property
    def growth(self) -> float:
        """How much more there is in the second half than in the first."""
        middle = len(self.series) // 2
        return median(self.series[middle:]) / median(self.series[:middle])

    def verdicts(self) -> list[Verdict]:
        verdicts = [
            Verdict("CPU until the first answer, s", median(self.starts), MOST_TO_START, True),
            Verdict("memory when idle, MiB", self.idle, MOST_MEMORY, True),
            Verdict("memory after load, MiB", self.loaded, MOST_MEMORY, True),
        ]
        if len(self.series) > 1:
            verdicts.append(Verdict("memory in the end, MiB", self.series[-1], MOST_MEMORY, True))
            verdicts.append(
                Verdict("second half over the first", self.growth, MOST_GROWTH, at_most=True)
            )
        return verdicts


def start(shop: Shop, log: Path) -> float:
    """Seconds of CPU that the service needs until it answers for the first time."""
    server = started(ours(), shop.environment, log)
    try:
        deadline = time.monotonic() + STARTED_WITHIN
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{server.url}/livez", trust_env=False).raise_for_status()
            except httpx.TransportError:
                time.sleep(0.02)
            else:
                return cpu_seconds(server.process)
        raise ServerFailed(f"no answer within {STARTED_WITHIN:g} s")
    finally:
        stop(server)


def mixed(shop: Shop) -> list[Ask]:
    """What a shop is asked for all day: nine look around, then one buys."""
    asks = []
    kinds = [
        reading_products(shop),
        listing_categories(shop),
        searching(shop),
        reading_orders(shop),
    ]
    orders = ordering(shop, lines=3)
    for number in range(500):
        asks += [kind[number % len(kind)] for kind in (kinds[0], *kinds, kinds[0], kinds[3])]
        asks.append(orders[number % len(orders)])
    return asks


def measure(shop: Shop, loader: Loader, minutes: float, log: Path) -> Measured:
    starts = [start(shop, log) for _ in range(STARTS)]
    asks = mixed(shop)
    complaints: list[str] = []
    asked = answers = 0

    def put(server: Server, seconds: float) -> None:
        nonlocal asked, answers
        answered = loader.put(Load(server.port, CLIENTS, seconds, asks, "memory", asked))
        asked += answered.answers + CLIENTS
        answers += answered.answers
        complaints.extend(answered.complaints)

    with serving(ours(), shop.environment, log) as server:
        time.sleep(1.0)
        idle = memory(server.process)
        put(server, WARM_UP)
        loaded = memory(server.process)
        series = []
        for _ in range(round(minutes * 60 / SAMPLE)):
            put(server, SAMPLE)
            series.append(memory(server.process))
    return Measured(starts, idle, loaded, series, answers, complaints)


def table_of(measured: Measured) -> Table:
    table = Table()
    for column in ("", "measured", "wanted"):
        table.add_column(column, justify="left" if not column else "right")
    for verdict in measured.verdicts():
        style = "green" if verdict.is_reached else "bold red"
        table.add_row(
            verdict.what, f"[{style}]{verdict.value:.2f}[/{style}]", f"at most {verdict.wanted:g}"
        )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """0: everything was answered rightly, whatever it took; 1: not so."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.memory", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of mixed load")
    minutes = parser.parse_args(arguments).minutes
    console = Console(width=None if sys.stdout.isatty() else 120)
    with tempfile.TemporaryDirectory(prefix="tradepost-memory-") as name, Loader(OTHERS) as loader:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user when we are root
        with on(OTHERS):
            running = postgres_cluster(folder / "postgres", durable=True)
        with running as cluster:
            cluster.create("shop")
            shop = Shop(folder, cluster.url("shop"), PRODUCTS)
            fill(shop, loader, orders=500)
            measured = measure(shop, loader, minutes, folder / "server.log")
    RESULTS.mkdir(parents=True, exist_ok=True)
    document = {
        "start_cpu_s": [round(seconds, 3) for seconds in measured.starts],
        "idle_mib": round(measured.idle, 1),
        "loaded_mib": round(measured.loaded, 1),
        "series_mib": [round(one, 1) for one in measured.series],
        "sampled_every_s": SAMPLE,
        "answers": measured.answers,
        "complaints": [*measured.complaints],
    }
    (RESULTS / "memory.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    console.print(table_of(measured))
    for complaint in measured.complaints:
        console.print(f"wrong: {complaint}", style="bold red", markup=False)
    return 1 if measured.complaints else 0


if __name__ == "__main__":
    # Ended from outside it still stops the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
