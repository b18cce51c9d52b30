"""What the rows of all files have in common: a number, and a thing that no other is about."""

import sqlite3
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from enum import StrEnum
from pathlib import PurePath
from typing import Final, TypeVar

from application.catalog.exchange import RefusedRow
from domain.shared.errors import DomainError, InvalidValue, RuleBroken

R = TypeVar("R")
T = TypeVar("T")


class Format(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"


_FORMATS: Final = {".csv": Format.CSV, ".ndjson": Format.NDJSON, ".jsonl": Format.NDJSON}


def format_of(filename: str) -> Format | None:
    """The format that files of such a name are in, if we know it."""
    return _FORMATS.get(PurePath(filename).suffix.lower())


class UnusableFile(RuleBroken):
    """Not one row of the file could be understood."""

    code = "unusable-file"


class DuplicateRow(RuleBroken):
    """An earlier row of the same file, `details["row"]`, is about the same thing."""

    code = "duplicate-row"

    def __init__(self, field: str, row: int) -> None:
        super().__init__(f"row {row} has the same {field}", field=field, row=row)


def rows(
    records: Iterable[tuple[int, T | InvalidValue]],
    read: Callable[[int, T], R],
    *,
    field: str,
    key: Callable[[R], str],
) -> Generator[R | RefusedRow, None, None]:
    """
    Each record, with its number, as the row that it is, or why it is none.

    Of several good ones with the same `key`, which their `field` gives them, the first is taken.
    """
    # On disk, for there may be more keys than memory, and gone when it is closed. One thread at a
    # time asks for the next row, but it need not be the same one.
    with closing(sqlite3.connect("", check_same_thread=False)) as seen:
        seen.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        for number, record in records:
            try:
                if isinstance(record, InvalidValue):
                    raise record
                row = read(number, record)
                _see(seen, key(row), number, field=field)
            except DomainError as refusal:
                # Many refusals may be kept for long, and must not keep what they passed through.
                refusal.__traceback__ = refusal.__context__ = None
                yield RefusedRow(number, refusal)
            else:
                yield row


def _see(seen: sqlite3.Connection, key: str, number: int, *, field: str) -> None:
    added = seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, number))
    if not added.rowcount:
        [(earlier,)] = seen.execute("SELECT number FROM seen WHERE key = ?", (key,))
        raise DuplicateRow(field, earlier)
