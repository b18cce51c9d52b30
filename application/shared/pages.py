from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

T = TypeVar("T", covariant=True)

SortValue = str | int | datetime | None


@dataclass(frozen=True, slots=True)
class Position:
    """
    A place in a sorted list: the value sorted by, and the id that decides between equals.

    What has no value (None) stands at the end of the list, descending or not.
    """

    value: SortValue
    id: UUID


@dataclass(frozen=True, slots=True)
class Sort:
    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Which part of a list: `limit` items from `after` on, or from the place `offset` (from 0)."""

    sort: Sort
    limit: int
    after: Position | None = None
    offset: int = 0
    with_total: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next` is None on the last page, `total` where it was not asked for."""

    items: Sequence[T]
    next: Position | None = None
    total: int | None = None
