"""How a cell of a spreadsheet spells what is more than a number or a word."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from domain.shared.errors import InvalidValue

_BETWEEN_NAMES: Final = " > "  # inside a name there is no bare ">"
_RUN = re.compile(r"'*[=+\-@\t\r]")
_TO_ESCAPE = re.compile(r"[\\>]")
_ESCAPE = re.compile(r"\\(.)")
# Possessive, or it would remember every character of a long cell.
_ESCAPED_NAME = re.compile(r"(?:[^\\>]|\\[\\>])*+")


def guarded(cell: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet would run (OWASP, CSV Injection)."""
    return f"'{cell}" if _RUN.match(cell) else cell


def unguarded(cell: str) -> str:
    """What was guarded."""
    return cell[1:] if cell.startswith("'") and _RUN.match(cell) else cell


def joined(names: Iterable[str]) -> str:
    """("TV & Radio", "<40>") as "TV & Radio > <40\\>"."""
    return _BETWEEN_NAMES.join(_TO_ESCAPE.sub(r"\\\g<0>", name) for name in names)


def split(field: str, cell: str) -> Sequence[str]:
    """What was joined."""
    names = cell.split(_BETWEEN_NAMES)
    if not all(map(_ESCAPED_NAME.fullmatch, names)):
        raise InvalidValue(field, "has a > or a \\ that is neither between names nor after a \\")
    return [_ESCAPE.sub(r"\1", name) for name in names]
