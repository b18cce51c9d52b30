"""How quick the service is beside the usual way to build one, and beside what is possible."""

import argparse
import asyncio
import json
import os
import platform
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from infrastructure.sql.migrating import Migrations
from tests.benchmarks import imports
from tests.benchmarks.chart import chart
from tests.benchmarks.figures import LIMIT, OURS, USUAL, Row, Slice, Spread, Verdict
from tests.benchmarks.limit.statements import order_script
from tests.benchmarks.load import Ask, Loader
from tests.benchmarks.measuring import Extent, Way, Work, measure, scripted, served
from tests.benchmarks.serving import OTHERS, ROOT, SERVER, Server, on, ours, serving, uvicorn
from tests.benchmarks.shop import (
    HOT,
    ORDERED_FROM,
    Shop,
    fill,
    listing_categories,
    ordering,
    reading_orders,
    reading_products,
    searching,
    thirds,
)
from tests.servers import CommandFailed, PostgresCluster, postgres_cluster, run_tradepost

RESULTS: Final = ROOT / "build" / "bench"

READERS: Final = 32
BUYERS: Final = 64
BUYERS_IF_EMBEDDED: Final = 16
ONE_STATEMENT: Final = "bare ASGI, one statement"
COPY: Final = "COPY"


@dataclass(frozen=True, slots=True)
class Size:
    extent: Extent
    products: int
    orders: int  # before the first slice
    embedded: int  # products in the SQLite file
    imported: int
    imports: int


THOROUGH: Final = Size(Extent(12, 1.5), 100_000, 10_000, 10_000, 100_000, 5)
QUICK: Final = Size(Extent(3, 0.8), 20_000, 300, 2_000, 10_000, 2)


@dataclass
class Stage:
    """Everything that has to run, each started when it is first needed."""

    size: Size
    folder: Path
    stack: ExitStack
    loader: Loader
    shops: list[Shop] = field(default_factory=list)

    @cached_property
    def cluster(self) -> PostgresCluster:
        with on(OTHERS):
            return self.stack.enter_context(
                postgres_cluster(self.folder / "postgres", durable=True)
            )

    @cached_property
    def shop(self) -> Shop:
        self.cluster.create("bench")
        return self._filled("shop", self.cluster.url("bench"), self.size.products)

    @cached_property
    def embedded(self) -> Shop:
        file = self.folder / "shop.db"
        return self._filled("embedded", f"sqlite+aiosqlite:///{file}", self.size.embedded)

    def _filled(self, name: str, url: str, products: int) -> Shop:
        own = self.folder / name
        own.mkdir()
        shop = Shop(own, url, products)
        fill(shop, self.loader, orders=self.size.orders)
        self.shops.append(shop)
        return shop

    @cached_property
    def ours(self) -> Server:
        return self._serving(ours(), self.shop.environment)

    @cached_property
    def usual(self) -> Server:
        url = make_url(self.shop.url).set(drivername="postgresql+psycopg")
        return self._serving(
            uvicorn("tests.benchmarks.usual.app:app"),
            self._usual(self.shop, url.render_as_string(hide_password=False)),
        )

    @cached_property
    def limit(self) -> Server:
        return self._serving(
            uvicorn("tests.benchmarks.limit.app:app"),
            {
                "LIMIT_DSN": self.shop.dsn,
                "LIMIT_SECRET": self.shop.secret,
                "LIMIT_NOTIFICATIONS": str(int(self.shop.has_notifications())),
            },
        )

    @cached_property
    def ours_embedded(self) -> Server:
        return self._serving(ours(), self.embedded.environment)

    @cached_property
    def usual_embedded(self) -> Server:
        return self._serving(
            uvicorn("tests.benchmarks.usual.embedded:app"),
            self._usual(self.embedded, self.embedded.url),
        )

    def _usual(self, shop: Shop, url: str) -> dict[str, str]:
        return {
            "USUAL_DATABASE_URL": url,
            "USUAL_SECRET": shop.secret,
            "USUAL_NOTIFICATIONS": str(int(shop.has_notifications())),
        }

    def _serving(self, command: Sequence[str | Path], environment: dict[str, str]) -> Server:
        log = self.folder / f"server-{len([*self.folder.glob('*.log')])}.log"
        return self.stack.enter_context(serving(command, environment, log))

    def reading(self, row: Row, asks: Sequence[Ask]) -> Work:
        servers = {OURS: self.ours, USUAL: self.usual, LIMIT: self.limit}
        return Work(row, self._ways(row, servers, asks), self.shop)

    def placing(self, row: Row, lines: int) -> Work:
        asks = ordering(self.shop, lines=lines)
        servers = {OURS: self.ours, USUAL: self.usual, ONE_STATEMENT: self.limit}
        known = min(ORDERED_FROM, self.shop.products)
        script = order_script(
            [range(HOT, HOT + 1)] if lines == 1 else thirds(known),
            [id for id, _ in self.shop.customers],
            notify=self.shop.has_notifications(),
        )
        cluster = self.cluster
        by_hand = scripted(cluster.programs, cluster.socket_folder, "bench", row.clients, script)
        return Work(row, {**self._ways(row, servers, asks), LIMIT: by_hand}, self.shop, lines)

    def placing_embedded(self, row: Row, lines: int) -> Work:
        asks = ordering(self.embedded, lines=lines)
        servers = {OURS: self.ours_embedded, USUAL: self.usual_embedded}
        return Work(row, self._ways(row, servers, asks), self.embedded, lines)

    def _ways(self, row: Row, servers: dict[str, Server], asks: Sequence[Ask]) -> dict[str, Way]:
        return {
            name: served(self.loader, server, row.clients, asks) for name, server in servers.items()
        }


def _product(stage: Stage) -> Row:
    row = Row("product", "read one product", READERS, {USUAL: 8, LIMIT: 0.5})
    measure(stage.reading(row, reading_products(stage.shop)), stage.size.extent)
    return row


def _category(stage: Stage) -> Row:
    title = f"list 20 of {stage.size.products:,} by category"
    row = Row("category", title, READERS, {USUAL: 6, LIMIT: 0.65})
    measure(stage.reading(row, listing_categories(stage.shop)), stage.size.extent)
    return row


def _search(stage: Stage) -> Row:
    title = f"search 20 of {stage.size.products:,}"
    row = Row("search", title, READERS, {USUAL: 5, LIMIT: 0.5})
    measure(stage.reading(row, searching(stage.shop)), stage.size.extent)
    return row


def _order(stage: Stage) -> Row:
    row = Row("order", "read an order of 3 lines, signed in", READERS, {USUAL: 5, LIMIT: 0.4})
    measure(stage.reading(row, reading_orders(stage.shop)), stage.size.extent)
    return row


def _place(stage: Stage) -> Row:
    row = Row("place", "place an order of 3 lines", BUYERS, {USUAL: 6, LIMIT: 0.35})
    measure(stage.placing(row, 3), stage.size.extent)
    return row


def _same(stage: Stage) -> Row:
    row = Row("same", "place an order, all of one product", BUYERS, {USUAL: 12})
    measure(stage.placing(row, 1), stage.size.extent)
    return row


def _sqlite_place(stage: Stage) -> Row:
    title = "place an order of 3 lines, SQLite"
    row = Row("sqlite-place", title, BUYERS_IF_EMBEDDED, {USUAL: 8})
    measure(stage.placing_embedded(row, 3), stage.size.extent)
    return row


def _sqlite_same(stage: Stage) -> Row:
    title = "place an order, all of one, SQLite"
    row = Row("sqlite-same", title, BUYERS_IF_EMBEDDED, {USUAL: 8})
    measure(stage.placing_embedded(row, 1), stage.size.extent)
    return row


def _import(stage: Stage) -> Row:
    size = stage.size
    row = Row("import", f"import {size.imported:,} products, rows a second", 1, {COPY: 0.5})
    stage.cluster.create("imports")
    url = stage.cluster.url("imports")
    Migrations(url).upgrade()
    file = stage.folder / "imported.csv"
    expected = imports.write_products(file, size.imported)
    try:
        figures = asyncio.run(imports.measure(url, file, expected, size.imports))
    except imports.WrongImport as error:
        row.complaints.append(str(error))
        figures = imports.Figures()
    for name, rates in ((OURS, figures.imported), (COPY, figures.copied)):
        row.series[name] = [Slice.of(rate, [1000 * size.imported / rate]) for rate in rates]
    return row


ROWS: Final[dict[str, Callable[[Stage], Row]]] = {
    "product": _product,
    "category": _category,
    "search": _search,
    "order": _order,
    "place": _place,
    "same": _same,
    "sqlite-place": _sqlite_place,
    "sqlite-same": _sqlite_same,
    "import": _import,
}


def checked(shop: Shop) -> Iterator[str]:
    """What does not hold in a shop that has been worked in."""
    if astray := shop.astray():
        yield f"{astray} products have another stock than their movements add up to"
    environment, folder = shop.environment, shop.folder
    if " verify " in run_tradepost("--help", environment=environment, folder=folder):
        try:
            run_tradepost("verify", environment=environment, folder=folder)
        except CommandFailed as failure:
            yield str(failure)


def surroundings(stage: Stage) -> str:
    """What it was measured on, in words."""
    pinned = f"the server on core {SERVER[0]}, the rest on {', '.join(map(str, OTHERS))}"
    parts = [
        f"{os.cpu_count()} cores ({pinned})",
        f"Python {platform.python_version()}",
        f"SQLite {sqlite3.sqlite_version}",
        f"{stage.size.extent.rounds} slices of {stage.size.extent.seconds:g} s each",
    ]
    if "shop" in vars(stage):
        names = ("server_version", "fsync", "synchronous_commit")
        settings = [stage.shop.rows(f"SHOW {name}")[0][name] for name in names]
        parts.insert(2, f"PostgreSQL {settings[0]} (fsync {settings[1]}, commit {settings[2]})")
        parts.append(f"{stage.size.products:,} products")
    return "; ".join(parts)


def table_of(rows: Sequence[Row]) -> Table:
    table = Table()
    for column in ("", "variant"):
        table.add_column(column)
    for column in ("min /s", "median /s", "max /s", "p50 ms", "p99 ms", "CPU ms", "ours is"):
        table.add_column(column, justify="right")
    table.add_column("wanted")
    for row in rows:
        verdicts = {verdict.what: verdict for verdict in row.verdicts()}
        for name in row.series:
            title = f"{row.title}, c={row.clients}" if name == next(iter(row.series)) else ""
            slices = row.slices(name)
            if not slices:
                table.add_row(title, name, *["-"] * 7, "[bold red]nothing that counts[/bold red]")
                continue
            rates = Spread.of([one.rate for one in slices])
            p50, p99 = (Spread.of([getattr(one, at) for one in slices]) for at in ("p50", "p99"))
            cpu = [one.cpu for one in slices if one.cpu is not None]
            wanted = verdicts.get(f"of {name}")
            if name == OURS:
                wanted = next((one for one in verdicts.values() if one.at_most), None)
            ratio = None if name == OURS else row.ratio(name)
            table.add_row(
                title,
                name,
                *(f"{rate:,.0f}" for rate in (rates.min, rates.median, rates.max)),
                *(f"{time.median:,.2f}" for time in (p50, p99)),
                f"{median(cpu):.2f}" if cpu else "",
                f"{ratio.median:.2f} ({ratio.min:.2f}–{ratio.max:.2f})" if ratio else "",
                _judged(wanted) if wanted else "",
            )
        table.add_section()
    return table


def _judged(verdict: Verdict) -> str:
    style, word = ("green", "reached") if verdict.is_reached else ("bold red", "not reached")
    target = f"p99 ≤ {verdict.wanted:,.1f} ms" if verdict.at_most else f"≥ {verdict.wanted:g}"
    return f"[{style}]{target} {word}[/{style}]"


def report(
    rows: Sequence[Row], wrong: Sequence[str], words: str, folder: Path, console: Console
) -> int:
    """Print and write down what was measured; 1 if anything was wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {"surroundings": words, "rows": [row.document() for row in rows], "wrong": wrong}
    (folder / "results.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (folder / "chart.svg").write_text(chart(rows, words), encoding="utf-8")
    console.print(table_of(rows))
    console.print(words)
    console.print(f"results.json and chart.svg are in {folder}", soft_wrap=True)
    complaints = [f"{row.name}: {complaint}" for row in rows for complaint in row.complaints]
    for complaint in [*complaints, *wrong]:
        console.print(f"wrong: {complaint}", style="bold red", markup=False)
    return 1 if complaints or wrong else 0


@contextmanager
def staged(size: Size) -> Iterator[Stage]:
    with (
        tempfile.TemporaryDirectory(prefix="tradepost-bench-") as name,
        Loader(OTHERS) as loader,
        ExitStack() as stack,
    ):
        Path(name).chmod(0o755)  # PostgreSQL runs as another user when we are root
        yield Stage(size, Path(name), stack, loader)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: everything was answered rightly, whether the targets are reached or not; 1: not so."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less exact, in two minutes")
    parser.add_argument(
        "--only", action="append", choices=[*ROWS], help="this row; may be repeated"
    )
    parser.add_argument("--products", type=int, help="how many are in the catalog (1,000 or more)")
    given = parser.parse_args(arguments)
    size = QUICK if given.quick else THOROUGH
    if given.products:
        size = replace(size, products=given.products, embedded=min(given.products, size.embedded))
    console = Console(width=None if sys.stdout.isatty() else 170)
    with staged(size) as stage:
        rows = []
        for name in given.only or ROWS:
            console.print(f"[dim]{name} …[/dim]")
            rows.append(ROWS[name](stage))
        wrong = [complaint for shop in stage.shops for complaint in checked(shop)]
        words = surroundings(stage)
    return report(rows, wrong, words, RESULTS, console)


if __name__ == "__main__":
    # Ended from outside it still stops the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
