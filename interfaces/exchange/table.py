"""Files of comma-separated values, as RFC 4180 has them."""

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import count
from typing import BinaryIO, Final

from domain.shared.errors import InvalidValue
from interfaces.exchange.cells import unguarded
from interfaces.exchange.lines import LONGEST_NAME, LONGEST_ROW, ROW, Lines
from interfaces.exchange.rows import UnusableFile

_MOST_NAMES: Final = 20  # that one refusal repeats
_UNDECODED = re.compile("[\udc80-\udcff]")

csv.field_size_limit(LONGEST_ROW)  # of the whole process; here it is the row that is measured


def table(
    file: BinaryIO, *, known: Collection[str], required: Collection[str]
) -> Iterator[tuple[int, dict[str, str] | InvalidValue]]:
    """
    The records as cells by their columns, numbered as a spreadsheet does.

    Raises UnusableFile, with the first, for a header that does not have the columns it must have.
    """
    lines = Lines(file)
    reader = csv.reader(map(_decoded, lines), strict=True)
    columns = _header(lines, reader, known, required)
    for number in count(2):
        try:
            cells = _record(lines, reader)
        except StopIteration:
            return
        except InvalidValue as refusal:
            yield number, refusal
        else:
            if cells:
                yield number, _by_column(columns, cells)


def _header(
    lines: Lines, reader: Iterator[list[str]], known: Collection[str], required: Collection[str]
) -> Sequence[str]:
    try:
        columns = _record(lines, reader)
    except StopIteration:
        columns = []
    except InvalidValue as refusal:
        raise UnusableFile(f"the header {refusal.details['reason']}") from None
    counted = Counter(columns)
    faults = {
        "lacks": [name for name in required if name not in counted],
        "has the unknown": [name for name in counted if name not in known],
        "repeats": [name for name in known if counted[name] > 1],
    }
    if found := [f"{what} {_listed(names)}" for what, names in faults.items() if names]:
        raise UnusableFile(f"the header {' and '.join(found)}")
    return columns


def _listed(names: Sequence[str]) -> str:
    # As they are written in Python, for anything may stand in a file.
    listed = [repr(name[:LONGEST_NAME]) for name in names[:_MOST_NAMES]]
    return ", ".join([*listed, "…"] if len(names) > _MOST_NAMES else listed)


def _record(lines: Lines, reader: Iterator[list[str]]) -> list[str]:
    """The cells of the next record, or InvalidValue; StopIteration where the file ends."""
    lines.begin_row()
    try:
        return next(reader)
    except csv.Error:
        reason = (
            "ends with the file, inside a quoted cell"
            if lines.ended
            else "has a quote or a line end where none can be"
        )
        raise InvalidValue(ROW, reason) from None


def _by_column(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str] | InvalidValue:
    if len(cells) != len(columns):
        return InvalidValue(ROW, f"has {len(cells)} of {len(columns)} cells")
    by_column = dict(zip(columns, map(unguarded, cells), strict=True))
    for column, cell in by_column.items():
        if not cell.isascii() and _UNDECODED.search(cell):
            return InvalidValue(column, "is not UTF-8")
    return by_column


def _decoded(line: bytes) -> str:
    return line.decode(errors="surrogateescape")
