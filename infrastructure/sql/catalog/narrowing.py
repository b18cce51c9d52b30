"""
Which of the things that a list is narrowed by is rare, so that it is quicker to look at the few
products that have it than at all in their order.

PostgreSQL knows by its statistics. SQLite has none of a single tag, word or category, so there the
statement itself counts, up to a limit, before it goes one way or the other.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, CompoundSelect, Select, case, func, select, union_all

MANY: Final = 1_000
MANY_RANKED: Final = 4_000  # because it takes longer to see how well a product fits


def narrowest(
    sources: Sequence[Select[Any]], many: int
) -> tuple[CompoundSelect[Any], ColumnElement[bool]]:
    """The ids that the first source gives which gives fewer, and whether there is such a one."""
    found = [source.limit(many).cte(f"found_{n}") for n, source in enumerate(sources)]
    counts = [select(func.count()).select_from(ids).scalar_subquery() for ids in found]
    first = case(*((count < many, n) for n, count in enumerate(counts)))
    ids = union_all(*(select(ids.c[0]).where(first == n) for n, ids in enumerate(found)))
    return ids, first.is_not(None)
