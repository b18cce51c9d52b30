from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import ColumnElement, FromClause, Select, String, cast, func, select

from application.auditing.queries import MOST_SHOWN, Check


@dataclass(frozen=True, slots=True)
class Rule:
    """
    A check, or a part of it, as two statements.

    `rows` counts what is looked at; `offenders` finds the first rows that offend, each with its
    facts and with `offenders`, how many there are in all.
    """

    check: Check
    rows: Select[int]
    offenders: Select[Any]

    @classmethod
    def over(
        cls, looked_at: FromClause, check: Check, offenders: Select[Any], *, count: Any = None
    ) -> Self:
        """`offenders` names its `id` and the facts of the complaint; `count` is what is counted."""
        found = offenders.subquery()
        counted = func.count() if count is None else func.count(count)
        return cls(
            check,
            select(counted).select_from(looked_at),
            select(found, func.count().over().label("offenders"))
            .order_by(found.c.id)
            .limit(MOST_SHOWN),
        )


def written(column: ColumnElement[Any]) -> ColumnElement[str]:
    """What the column holds, as it is there: it may be nothing that the domain knows."""
    return cast(column, String)
