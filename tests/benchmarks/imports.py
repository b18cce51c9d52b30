"""What importing products into PostgreSQL costs, against a bare COPY of the same rows."""

import argparse
import asyncio
import csv
import random
import signal
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, Final

import asyncpg
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from application.catalog.importing import Importing
from application.identity.actor import OPERATOR
from application.shared.clock import utc_now
from domain.shared.money import CURRENCIES
from infrastructure.sql.database import Limits, connect
from infrastructure.sql.mapping import TABLES
from infrastructure.sql.migrating import Migrations
from infrastructure.sql.unit_of_work import SqlUnitOfWork
from interfaces.collecting import tune_collector
from interfaces.exchange.products import product_rows
from interfaces.exchange.rows import Format
from tests.servers import postgres_cluster

ROUNDS: Final = 5
ROUNDS_IF_QUICK: Final = 3
ROWS: Final = 100_000
ROWS_IF_QUICK: Final = 20_000
SMALLEST_SHARE: Final = 0.3  # of the rows a second that COPY takes
MOST_MEMORY: Final = 200.0  # MiB more than before the import

CATEGORIES: Final = 400
TAGS: Final = 38
WORDS: Final = (
    "white black mug cup plate bowl garden lamp red green heart hanging light holder metal sign"
    " retro spot bag lunch box set paper craft glass"
).split()

# What an import has to come to, as the file has it.
COUNTED: Final = """
SELECT (SELECT count(*) FROM products) AS products,
       (SELECT count(DISTINCT category_id) FROM products) AS categories,
       (SELECT count(*) FROM tags) AS tags,
       (SELECT count(*) FROM product_tags) AS links,
       (SELECT count(*) FROM product_search) AS found,
       (SELECT count(*) FROM outbox WHERE type = 'product.created') AS events,
       (SELECT coalesce(sum(stock), 0) FROM products) AS stock,
       (SELECT coalesce(sum(change), 0) FROM stock_movements) AS moved
"""


class WrongImport(Exception):
    """What is in the tables is not what was in the file."""


@dataclass(slots=True)
class Figures:
    copied: list[float] = field(default_factory=list)  # rows a second
    imported: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)  # MiB

    @property
    def share(self) -> float:
        return median(self.imported) / median(self.copied)


def write_products(path: Path, rows: int) -> dict[str, int]:
    """A CSV file of so many products, always the same; what COUNTED has to find of it."""
    chance = random.Random(3)
    stocks = [chance.randint(0, 500) for _ in range(rows)]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["sku", "name", "price", "stock", "description", "category", "tags"])
        for number, stock in enumerate(stocks):
            name = " ".join(chance.sample(WORDS, 4)).title()
            price = chance.randint(1, 99_999)
            table.writerow(
                [
                    f"P-{number:07}",
                    f"{name} {number}",
                    f"{price // 100}.{price % 100:02}",
                    stock,
                    " ".join(chance.choices(WORDS, k=15)),
                    f"Home > Kind {number % (CATEGORIES // 10)} > Sub {number % CATEGORIES}",
                    f"t{number % 7} u{number % (TAGS - 7)}",
                ]
            )
    return {
        "products": rows,
        "categories": min(rows, CATEGORIES),
        "tags": min(rows, 7) + min(rows, TAGS - 7),
        "links": 2 * rows,
        "found": rows,
        "events": rows,
        "stock": sum(stocks),
        "moved": sum(stocks),
    }


def import_file(url: str, path: Path) -> tuple[float, float]:
    """Seconds, and the most MiB that this process has grown by; in a process of its own."""
    return asyncio.run(_import_file(url, path))


async def _import_file(url: str, path: Path) -> tuple[float, float]:
    engine = connect(url, Limits())
    importing = Importing(lambda: SqlUnitOfWork(engine), utc_now)
    async with engine.connect():
        pass  # so that the first connection is no part of what is measured
    tune_collector()  # as the command does
    before = _memory("VmRSS")
    with path.open("rb") as file:
        begun = time.perf_counter()
        with closing(product_rows(file, Format.CSV, currency=CURRENCIES["USD"])) as rows:
            await importing.load(OPERATOR, rows, skip=False)
        taken = time.perf_counter() - begun
    await engine.dispose()
    return taken, _memory("VmHWM") - before


def _memory(name: str) -> float:
    """MiB of this process, as Linux tells: VmRSS now, VmHWM at most."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(name)


async def copy_again(connection: Any) -> tuple[float, int]:
    """Seconds for a bare COPY of the products that are there, and how many they are."""
    products = await connection.fetch("SELECT * FROM products ORDER BY id")
    columns = [*products[0].keys()]
    await _empty(connection, keep={"categories", "tags"})
    begun = time.perf_counter()
    await connection.copy_records_to_table("products", records=products, columns=columns)
    return time.perf_counter() - begun, len(products)


async def _empty(connection: Any, *, keep: Collection[str] = ()) -> None:
    names = ", ".join(table.name for table in TABLES if table.name not in keep)
    await connection.execute(f"TRUNCATE {names}")
    await connection.execute("ANALYZE")
    await connection.execute("CHECKPOINT")


async def measure(url: str, path: Path, expected: dict[str, int], rounds: int) -> Figures:
    """Both, in turns, on the same tables, each time emptied and with fresh connections."""
    figures = Figures()
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as processes:
        for _ in range(rounds):
            connection = await asyncpg.connect(dsn)
            await _empty(connection)
            seconds, grown = await loop.run_in_executor(processes, import_file, url, path)
            counted = dict(await connection.fetchrow(COUNTED))
            if counted != expected:
                raise WrongImport(f"{counted} instead of {expected}")
            figures.imported.append(expected["products"] / seconds)
            figures.memory.append(grown)
            seconds, copied = await copy_again(connection)
            figures.copied.append(copied / seconds)
            await connection.close()
    return figures


def table_of(figures: Figures) -> Table:
    share, memory = figures.share, max(figures.memory)
    table = Table()
    table.add_column("")
    for column in ("min", "median", "max"):
        table.add_column(column, justify="right")
    table.add_column("result")
    for what, measured, result in (
        ("bare COPY, rows/s", figures.copied, ""),
        (
            "import, rows/s",
            figures.imported,
            _styled(f"{share:.2f} of COPY", share >= SMALLEST_SHARE)
            + f", wanted: {SMALLEST_SHARE:g}",
        ),
        (
            "memory of the import, MiB",
            figures.memory,
            _styled(f"{memory:.0f} MiB more", memory <= MOST_MEMORY)
            + f", wanted: at most {MOST_MEMORY:g}",
        ),
    ):
        parts = (min(measured), median(measured), max(measured))
        table.add_row(what, *(f"{part:,.0f}" for part in parts), result)
    return table


def _styled(text: str, is_reached: bool) -> str:
    style = "green" if is_reached else "bold red"
    return f"[{style}]{text}[/{style}]"


@contextmanager
def _database() -> Iterator[tuple[str, Path]]:
    """The URL of a new, durable database with our schema, and a folder for files."""
    with tempfile.TemporaryDirectory(prefix="tradepost-imports-") as name:
        folder = Path(name)
        with postgres_cluster(folder / "postgres", durable=True) as cluster:
            cluster.create("imports")
            url = cluster.url("imports")
            Migrations(url).upgrade()
            yield url, folder


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every figure is as wanted; 1: one is not."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.imports", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less exact, in a tenth of the time")
    parser.add_argument("--rows", type=int, help="how many products are in the file")
    given = parser.parse_args(arguments)
    rows = given.rows or (ROWS_IF_QUICK if given.quick else ROWS)
    with _database() as (url, folder):
        file = folder / "products.csv"
        expected = write_products(file, rows)
        rounds = ROUNDS_IF_QUICK if given.quick else ROUNDS
        figures = asyncio.run(measure(url, file, expected, rounds))
    Console().print(table_of(figures))
    return 0 if figures.share >= SMALLEST_SHARE and max(figures.memory) <= MOST_MEMORY else 1


if __name__ == "__main__":
    # Ended from outside it still stops the server that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
