"""`tradepost catalog`: a whole catalog in, and out."""

import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal, TypeVar

import typer

from application.catalog.exchange import RefusedRow
from application.catalog.loading import Outcome
from application.identity.actor import OPERATOR
from application.shared.errors import RowRefused
from domain.shared.money import Currency
from interfaces.collecting import tune_collector
from interfaces.commands.running import in_shop
from interfaces.container import Container
from interfaces.exchange.categories import category_rows
from interfaces.exchange.products import product_rows
from interfaces.exchange.rows import Format, format_of
from interfaces.exchange.writing import header, written

R = TypeVar("R")

OnError = Annotated[
    Literal["abort", "skip"],
    typer.Option(help="at a bad row: keep nothing, or all good rows"),
]
Existing = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
ChosenFormat = Annotated[
    Format | None, typer.Option("--format", help="where the file's name does not tell")
]


_ROWS_BETWEEN_LOOKS: Final = 500


class RowsRefused(Exception):
    """A row of a file was not taken, and so none; one line says which and why."""


def catalog_commands(open_shop: Callable[[], Container]) -> typer.Typer:
    """The sub-application `catalog`."""
    commands = typer.Typer(help="The catalog as files.", no_args_is_help=True)

    @commands.command("import")
    def import_products(
        file: Existing, on_error: OnError = "abort", format: ChosenFormat = None
    ) -> None:
        """Create or change products, each known by its SKU, from CSV or NDJSON."""
        kind = _format(file, format)

        async def load(shop: Container) -> Outcome:
            currency = Currency.of(shop.settings().currency)
            read = partial(product_rows, format=kind, currency=currency)
            with _watched(file, read) as rows:
                return await shop.importing().load(
                    OPERATOR, rows, skip=on_error == "skip", tell=_tell
                )

        _loaded(lambda: in_shop(open_shop(), load), "products")

    @commands.command("import-categories")
    def import_categories(file: Existing, on_error: OnError = "abort") -> None:
        """Create or change categories, each known by its path, from NDJSON."""

        async def load(shop: Container) -> Outcome:
            with _watched(file, category_rows) as rows:
                return await shop.importing_categories().load(
                    OPERATOR, rows, skip=on_error == "skip", tell=_tell
                )

        _loaded(lambda: in_shop(open_shop(), load), "categories")

    @commands.command()
    def export(
        file: Annotated[Path | None, typer.Argument(help="standard output, if none")] = None,
        format: ChosenFormat = None,
    ) -> None:
        """Write every product that is not deleted, in a form that can be imported."""
        kind = _format(file, format)

        async def write(shop: Container) -> int:
            with _writing(file) as target:
                target.write(header(kind))
                count = 0
                async for batch in shop.exporting().batches(OPERATOR):
                    target.write(b"".join(written(product, kind) for product in batch))
                    count += len(batch)
            return count

        typer.echo(f"{in_shop(open_shop(), write)} products exported", err=True)

    @commands.command()
    def reindex() -> None:
        """Make all products findable anew; after an upgrade that asks for it."""
        count = in_shop(open_shop(), lambda shop: shop.stocking().reindex(OPERATOR))
        typer.echo(f"{count} products can be found")

    return commands


def _format(file: Path | None, chosen: Format | None) -> Format:
    known = chosen or (format_of(file.name) if file else Format.CSV)
    if known is None:
        raise typer.BadParameter("is neither .csv nor .ndjson: say --format", param_hint="FILE")
    return known


@contextmanager
def _watched(
    file: Path, read: Callable[[BinaryIO], Generator[R, None, None]]
) -> Iterator[Iterator[R]]:
    """The rows of the file, with a bar that shows how far it is read, if somebody can see it."""
    with (
        file.open("rb") as source,
        closing(read(source)) as rows,
        typer.progressbar(
            length=file.stat().st_size,
            label=file.name,
            file=sys.stderr,
            hidden=not sys.stderr.isatty(),
        ) as bar,
    ):

        def watched() -> Iterator[R]:
            for number, row in enumerate(rows):
                yield row
                if number % _ROWS_BETWEEN_LOOKS == 0:
                    bar.update(source.tell() - bar.pos)
            bar.update(source.tell() - bar.pos)

        yield watched()


@contextmanager
def _writing(file: Path | None) -> Iterator[BinaryIO]:
    """Standard output or the file, which changes only when all is written."""
    if file is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    if file.exists() and not file.is_file():
        with file.open("wb") as device:
            yield device
        return
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as target:
            yield target
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def _loaded(load: Callable[[], Outcome], things: str) -> None:
    """Load, and tell in one line what came of it."""
    tune_collector()
    try:
        outcome = load()
    except RowRefused as refused:
        raise RowsRefused(
            f"{_line(RefusedRow(refused.index, refused.cause))}; nothing is imported"
        ) from refused
    typer.echo(
        f"{things}: {outcome.created} created, {outcome.updated} changed,"
        f" {outcome.unchanged} as they were, {outcome.refused} refused"
    )


def _tell(row: RefusedRow) -> None:
    typer.echo(_line(row), err=True)


def _line(row: RefusedRow) -> str:
    field, wrong = row.refusal.fault
    return f"row {row.number}: {wrong}" if field is None else f"row {row.number}: {field}: {wrong}"
