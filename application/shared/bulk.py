from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from application.shared.errors import RowRefused
from application.shared.unit_of_work import UnitOfWork
from domain.shared.errors import DomainError

R = TypeVar("R")
T = TypeVar("T")


async def row_by_row(
    work: UnitOfWork,
    rows: Sequence[R | DomainError],
    add: Callable[[R], Awaitable[T]],
    *,
    skip: bool,
) -> Sequence[T | DomainError]:
    """
    Add each row in a savepoint of its own, or say why not.

    A row that is an error already was refused before it came here. Without `skip` the first refusal
    is raised as RowRefused.
    """
    results: list[T | DomainError] = []
    for index, row in enumerate(rows):
        try:
            if isinstance(row, DomainError):
                raise row
            async with work.savepoint():
                added = await add(row)
            results.append(added)
        except DomainError as refusal:
            if not skip:
                raise RowRefused(index, refusal) from refusal
            results.append(refusal)
    return results
