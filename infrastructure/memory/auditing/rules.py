from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from application.auditing.queries import Check, Finding
from domain.shared.money import Money
from infrastructure.memory.database import MemoryDatabase

Offenders = Iterator[Finding]


@dataclass(frozen=True, slots=True)
class Rule:
    """A check: what it looks at, and what of that offends, as of a moment."""

    check: Check
    rows: Callable[[MemoryDatabase], Collection[Any]]
    offenders: Callable[[MemoryDatabase, datetime], Offenders]


def sums_up(check: Check, id: UUID, whole: tuple[str, Money], parts: Sequence[Money]) -> Offenders:
    """The whole, by its name in the complaint, is the sum of its parts, all of its currency."""
    name, money = whole
    foreign = {part.currency.code for part in parts} - {money.currency.code}
    minor = sum(part.minor for part in parts)
    if money.minor != minor or foreign:
        facts = {name: money.minor, "currency": money.currency.code}
        other = max(foreign, default=money.currency.code)
        yield check.finding(id, **facts, sum=minor, other=other)
