"""How many statements each request has cost."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(slots=True)
class Tally:
    """What has been asked of the database so far."""

    statements: int = 0


_CURRENT: Final[ContextVar[Tally]] = ContextVar("tally", default=Tally())  # noqa: B039 (nobody's)


def begin_tally() -> Tally:
    """From now on this task, and those that it starts, are counted in a tally of their own."""
    tally = Tally()
    _CURRENT.set(tally)
    return tally


def count_statement(*_: object) -> None:
    """One more; takes whatever an event tells of it."""
    _CURRENT.get().statements += 1
