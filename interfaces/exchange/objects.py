"""Files with a JSON object on each line."""

from collections.abc import Collection, Iterator
from itertools import count
from typing import Any, BinaryIO

from domain.shared.errors import InvalidValue
from interfaces.exchange.lines import LONGEST_NAME, ROW, Lines
from interfaces.http.problems import Problem
from interfaces.http.strict_json import decoded


def objects(
    file: BinaryIO, *, known: Collection[str], required: Collection[str]
) -> Iterator[tuple[int, dict[str, Any] | InvalidValue]]:
    """The members of each object, numbered by line; blank lines are skipped."""
    lines = Lines(file)
    for number in count(1):
        lines.begin_row()
        try:
            line = next(lines)
            members = _members(line, known, required) if line.strip() else None
        except StopIteration:
            return
        except InvalidValue as refusal:
            yield number, refusal
        else:
            if members is not None:
                yield number, members


def fault(problem: Problem) -> tuple[str, str]:
    """Which member of an object `decoded` blames, or the row, and for what."""
    match problem.details:
        case {"errors": [{"pointer": str(pointer), "detail": str(reason)}]}:
            return pointer[1:].partition("/")[0] or ROW, reason
    return ROW, f"is no JSON: {problem}"


def _members(line: bytes, known: Collection[str], required: Collection[str]) -> dict[str, Any]:
    members = _value(line)
    if not isinstance(members, dict):
        raise InvalidValue(ROW, "is no object")
    for name in members:
        if name not in known:
            if not name.isprintable():
                raise InvalidValue(ROW, "has a member that is not known here")
            raise InvalidValue(name[:LONGEST_NAME], "is not known here")
    for name in required:
        if name not in members:
            raise InvalidValue(name, "is missing")
    return members


def _value(line: bytes) -> Any:
    try:
        line.decode()
    except UnicodeDecodeError:
        raise InvalidValue(_undecodable(line), "is not UTF-8") from None
    try:
        return decoded(line)
    except Problem as problem:
        field, reason = fault(problem)
        is_cut = field == ROW and not line.endswith(b"\n")
        raise InvalidValue(field, f"{reason}, and the file ends" if is_cut else reason) from None


def _undecodable(line: bytes) -> str:
    """The first member that is not UTF-8, or the row."""
    # Written as escapes of lone surrogates, its bytes make JSON that is refused for that member.
    escaped = line.decode(errors="surrogateescape").encode(errors="backslashreplace")
    try:
        decoded(escaped)
    except Problem as problem:
        return fault(problem)[0]
    return ROW
