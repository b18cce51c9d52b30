"""Who waits for whom when orders come in faster than they are stored."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from application.ordering.checkout import BasketLine, Checkout
from application.ordering.cohort import Cohort, Parted
from application.ordering.cohorts import Cohorts
from application.ordering.member import Member
from application.ordering.ports import PlacingWork
from application.ordering.telling import Telling
from application.shared.errors import Overloaded, Unavailable
from application.shared.unit_of_work import Runner
from domain.catalog.product import InsufficientStock, Product, ProductId
from domain.identity.user import UserId
from domain.ordering.order import Order
from tests.builders import a_product, a_user, actor_of, at_noon
from tests.unit.shop import Shop


class Speech(Exception):
    """Nobody knows what to do about this."""


class Speechless(Telling):
    async def __call__(self, work: PlacingWork, order: Order, *messages: str, at: datetime) -> None:
        raise Speech


class Till:
    """A customer who wants one mug in each order."""

    def __init__(self, shop: Shop, cohorts: Cohorts) -> None:
        self.shop = shop
        self.cohorts = cohorts
        self.run = Runner()
        self.ada = a_user()
        self.mug = a_product(stock=10)

    async def order(self, product: Product | None = None, tell: Telling | None = None) -> Order:
        checkout = Checkout(self.cohorts, at_noon, tell=tell or Telling())
        basket = [BasketLine(ProductId((product or self.mug).id), 1)]
        return await self.run(lambda: checkout.place(actor_of(self.ada), basket))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """One unit of work is under way during the block."""
        async with self.cohorts():
            yield
            await asyncio.sleep(0.01)


@pytest.fixture
async def till(shop: Shop) -> Till:
    till = Till(shop, Cohorts(shop.begin, most=4, longest=6))
    await shop.keep(till.ada, till.mug)
    return till


async def test_a_lone_order_goes_alone_and_at_once(till: Till) -> None:
    await till.order()
    await till.order()

    assert till.cohorts.sizes == {1: 2}


async def test_those_who_come_meanwhile_share_the_next_unit_of_work(till: Till) -> None:
    async with till.at_work():
        orders = [asyncio.create_task(till.order()) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert till.cohorts.waiting == 3
        assert not till.shop.count(Order)

    await asyncio.gather(*orders)
    assert till.cohorts.sizes == {1: 1, 3: 1}
    assert till.shop.stock(till.mug) == [7]
    assert till.shop.events == ["order.placed"] * 3


async def test_no_more_than_is_allowed_share_one_and_who_came_first_goes_first(till: Till) -> None:
    last = a_product(stock=4)
    await till.shop.keep(last)
    async with till.at_work():
        orders = [asyncio.create_task(till.order(last)) for _ in range(6)]

    ends = await asyncio.gather(*orders, return_exceptions=True)
    assert [type(end) for end in ends] == [Order] * 4 + [InsufficientStock] * 2
    assert till.cohorts.sizes == {1: 1, 4: 1, 2: 1}


async def test_several_units_of_work_may_be_under_way_at_once(till: Till) -> None:
    till.cohorts.abreast = 2
    async with till.at_work():
        await till.order()

    assert till.cohorts.sizes == {1: 2}


async def test_who_finds_too_many_waiting_is_turned_away(till: Till) -> None:
    async with till.at_work():
        orders = [asyncio.create_task(till.order()) for _ in range(6)]
        await asyncio.sleep(0.005)
        with pytest.raises(Overloaded):
            await till.order()

    assert len(await asyncio.gather(*orders)) == 6


async def test_who_has_waited_for_too_long_is_turned_away(till: Till) -> None:
    till.cohorts.patience = 0.01
    async with till.at_work():
        late = asyncio.create_task(till.order())
        with pytest.raises(Overloaded):
            await late

    assert not till.cohorts.waiting
    await till.order()
    assert till.shop.count(Order) == 1


async def test_who_goes_away_while_waiting_holds_nobody_up(till: Till) -> None:
    async with till.at_work():
        waiting = [asyncio.create_task(_turn(till)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting[1].cancel()

    assert [type(end) for end in await asyncio.gather(*waiting, return_exceptions=True)] == [
        type(None),
        asyncio.CancelledError,
        type(None),
    ]
    assert till.cohorts.sizes == {1: 1, 2: 1}


async def test_who_goes_away_when_the_turn_has_come_gives_it_back(till: Till) -> None:
    async with till.at_work():
        waiting = [asyncio.create_task(_turn(till)) for _ in range(2)]
    waiting[0].cancel()  # while the turn is on its way to them

    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError, type(None)]
    await till.order()
    assert till.cohorts.sizes == {1: 2, 2: 1}


async def test_who_goes_away_when_an_answer_is_on_its_way_holds_nobody_up(till: Till) -> None:
    cohort = Cohort(till.shop.begin(), 2)

    async def look() -> str:
        async with Member(cohort) as work:
            return (await work.users.get(UserId(till.ada.id))).username

    looking = [asyncio.create_task(look()) for _ in range(2)]
    running = asyncio.create_task(cohort.run())
    while not cohort.users:  # noqa: ASYNC110 - until the answer is there, and nobody has it
        await asyncio.sleep(0)
    looking[0].cancel()

    await asyncio.wait_for(running, timeout=1)
    ends = await asyncio.gather(*looking, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError, str]


async def test_cut_off_they_leave_nothing_behind(till: Till) -> None:
    async with till.shop.begin() as other:
        await other.products.get(ProductId(till.mug.id), lock=True)
        async with till.at_work():
            orders = [asyncio.create_task(till.order()) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert till.cohorts.sizes[3] == 1

        await till.cohorts.close()
        await till.run.drain(0)

    ends = await asyncio.gather(*orders, return_exceptions=True)
    assert {type(end) for end in ends} == {asyncio.CancelledError}
    assert till.shop.stock(till.mug) == [10]


@pytest.mark.parametrize("failure", [Unavailable("gone"), RuntimeError("a defect")])
async def test_a_commit_that_fails_is_repeated_only_where_it_is_sure_to_have_failed(
    till: Till, failure: Exception
) -> None:
    async with till.at_work():
        orders = [asyncio.create_task(till.order()) for _ in range(3)]
        await asyncio.sleep(0.005)
    till.shop.database.fail_next_commit(failure)

    ends = await asyncio.gather(*orders, return_exceptions=True)
    if isinstance(failure, Unavailable):
        assert [type(end) for end in ends] == [Unavailable] * 3
        assert till.shop.stock(till.mug) == [10]
    else:
        assert [type(end) for end in ends] == [Order] * 3
        assert till.run.retries == {Parted.__name__: 3}
        assert till.shop.stock(till.mug) == [7]


async def test_a_refusal_holds_only_if_what_it_is_due_to_is_kept(till: Till) -> None:
    last = a_product(stock=1)
    await till.shop.keep(last)
    async with till.at_work():
        doomed = asyncio.create_task(till.order(last, tell=Speechless()))
        late = asyncio.create_task(till.order(last))

    assert isinstance(await late, Order)
    with pytest.raises((Speech, InsufficientStock)):  # as they are tried alone in any order
        await doomed
    assert till.shop.count(Order) == 1


async def _turn(till: Till) -> None:
    async with till.cohorts():
        pass
