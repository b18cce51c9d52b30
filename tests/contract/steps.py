"""What tests of the contract do again and again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import cache, lru_cache
from typing import Any, Final, TypeVar
from unittest.mock import patch

import pytest

from application.catalog.queries import Movement, ProductFilter
from application.content.ports import ContentWork
from application.ordering.ports import OrderingWork
from application.shared.pages import PageRequest, Sort
from domain.catalog.category import Category, CategoryId
from domain.catalog.product import NewProduct, Product, ProductId
from domain.catalog.tag import Tag, TagId
from domain.content.post import Post, PostId
from domain.identity.session import Session, SessionId
from domain.identity.user import User, UserId
from domain.ordering.order import Order, OrderId
from infrastructure.memory.catalog import queries as in_memory
from infrastructure.sql.catalog import listing
from infrastructure.sql.catalog import ranking as in_sql
from tests.contract.backends import Backend

T = TypeVar("T")

LONG_ENOUGH: Final = 0.05  # seconds in which whoever need not wait is done


class Mishap(Exception):
    """Something went wrong that no storage knows of."""


async def user_in(work: OrderingWork, user: User, *, lock: bool = False) -> User:
    """The object that this unit of work has of the user."""
    return await work.users.get(UserId(user.id), lock=lock)


async def session_in(work: OrderingWork, session: Session, *, lock: bool = False) -> Session:
    found = await work.sessions.find(SessionId(session.id), lock=lock)
    assert found is not None
    return found


async def category_in(work: OrderingWork, category: Category, *, lock: bool = False) -> Category:
    return await work.categories.get(CategoryId(category.id), lock=lock)


async def product_in(
    work: OrderingWork, product: Product | NewProduct, *, lock: bool = False
) -> Product:
    return await work.products.get(ProductId(product.id), lock=lock)


async def tag_in(work: OrderingWork, tag: Tag, *, lock: bool = False) -> Tag:
    return await work.tags.get(TagId(tag.id), lock=lock)


async def post_in(work: ContentWork, post: Post, *, lock: bool = False) -> Post:
    return await work.posts.get(PostId(post.id), lock=lock)


async def order_in(work: OrderingWork, order: Order, *, lock: bool = False) -> Order:
    return await work.orders.get(OrderId(order.id), lock=lock)


async def lock_products(work: OrderingWork, *products: Product) -> list[Product]:
    return [*await work.products.lock_all([ProductId(product.id) for product in products])]


def everything(field: str) -> PageRequest:
    """One page with everything that a test has made, in the order of this field."""
    return PageRequest(sort=Sort(field), limit=1000)


async def movements_of(backend: Backend, product: Product | NewProduct) -> Sequence[Movement]:
    """Every movement of its stock that was kept."""
    return (await backend.products.movements(ProductId(product.id), everything("at"))).items


async def names_found(backend: Backend, wanted: ProductFilter) -> set[str]:
    """The names of all products that the filter lets through."""
    page = await backend.products.page(everything("name"), wanted)
    return {product.name for product in page.items}


@contextmanager
def ranking(few: int) -> Iterator[None]:
    """A search that ranks so few of its matches."""
    with (
        patch.object(in_memory, "MOST_RANKED", few),
        patch.object(in_sql, "MOST_RANKED", few),
        _statements_of_their_own(),
    ):
        yield


@contextmanager
def having_many(many: int) -> Iterator[None]:
    """To SQLite, so many of a kind are many."""
    with patch.multiple(listing, MANY=many, MANY_RANKED=many), _statements_of_their_own():
        yield


@contextmanager
def _statements_of_their_own() -> Iterator[None]:
    numbers = vars(in_sql)["MOST_RANKED"], vars(listing)["MANY"]
    with patch.object(listing, "listing", _statements(*numbers)):
        yield


@cache
def _statements(*_: int) -> Any:
    """Those that are made with these numbers."""
    return lru_cache(_make)


_make: Final = listing.listing.__wrapped__


@asynccontextmanager
async def failing(block: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """The same savepoint or unit of work, but something goes wrong at its end."""
    try:
        async with block as entered:
            yield entered
            raise Mishap
    except Mishap:
        return
    pytest.fail("the error did not pass through")


async def ends_of(attempts: Sequence[Awaitable[object]]) -> Counter[str]:
    """How many of these, all at once, succeeded, and how many ended in which error."""
    ends = await asyncio.gather(*attempts, return_exceptions=True)
    return Counter(type(end).__name__ if isinstance(end, BaseException) else "done" for end in ends)


async def waits(task: asyncio.Task[Any]) -> bool:
    """Whether the task is held up by somebody, after all the time that it would need."""
    await asyncio.wait([task], timeout=LONG_ENOUGH)
    return not task.done()
