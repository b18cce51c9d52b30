import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import pytest

from application.ordering.ports import OrderingWork
from application.shared.errors import InUse
from domain.catalog.category import CategoryId
from domain.catalog.product import Product, ProductId
from domain.identity.user import User
from domain.ordering.order import Order, OrderId
from domain.ordering.payment import PaymentMethod
from domain.shared.aggregate import Aggregate
from infrastructure.memory import accounts, content, identity, notifications, ordering
from infrastructure.memory.catalog import repositories as catalog
from infrastructure.sql.mapping import TABLES
from tests.builders import (
    NOON,
    a_category,
    a_house,
    a_notification,
    a_payment,
    a_post,
    a_product,
    a_refund,
    a_session,
    a_tag,
    a_transfer,
    a_user,
    an_account,
    an_order,
)
from tests.contract.backends import Backend, add
from tests.contract.steps import LONG_ENOUGH, category_in, failing, product_in, tag_in


@dataclass(frozen=True, slots=True)
class Dangling:
    """Something that refers to what is nowhere, and what else has to be stored before it."""

    aggregate: Aggregate
    before: list[Aggregate] = field(default_factory=list)


def session_of_nobody() -> Dangling:
    session, _ = a_session(a_user())
    return Dangling(session)


def child_of_nobody() -> Dangling:
    return Dangling(a_category(below=a_category()))


def product_of_no_category() -> Dangling:
    return Dangling(a_product(category=a_category()))


def product_of_no_tag() -> Dangling:
    known = a_tag()
    return Dangling(a_product(tags=[known, a_tag()]), [known])


def post_of_nobody() -> Dangling:
    return Dangling(a_post(a_user()))


def post_of_no_tag() -> Dangling:
    ada, known = a_user(), a_tag()
    return Dangling(a_post(ada, tags=[known, a_tag()]), [ada, known])


def account_of_nobody() -> Dangling:
    return Dangling(an_account(a_user()))


def transfer_of_nobody() -> Dangling:
    ada, house = a_user(), a_house()
    purse = an_account(ada)
    return Dangling(a_transfer(house, purse), [ada, house, purse])


def transfer_to_nowhere() -> Dangling:
    ada, house = a_user(), a_house()
    return Dangling(a_transfer(house, an_account(ada), actor=ada), [ada, house])


def order_of_nobody() -> Dangling:
    mug = a_product()
    return Dangling(an_order(mug, customer=a_user()), [mug])


def order_of_nothing() -> Dangling:
    ada, mug = a_user(), a_product()
    return Dangling(an_order(mug, a_product(), customer=ada), [ada, mug])


def a_sale() -> tuple[User, Product, Order]:
    ada, mug = a_user(), a_product()
    return ada, mug, an_order(mug, customer=ada)


def payment_of_nothing() -> Dangling:
    ada, mug, order = a_sale()
    return Dangling(a_payment(order, actor=ada), [ada, mug])


def payment_by_nobody() -> Dangling:
    ada, mug, order = a_sale()
    return Dangling(a_payment(order, actor=a_user()), [ada, mug, order])


def payment_of_no_credit() -> Dangling:
    ada, mug, order = a_sale()
    house, purse = a_house(), an_account(ada)
    transfer = a_transfer(house, purse, actor=ada)
    credit = a_payment(order, method=PaymentMethod.STORE_CREDIT, transfer=transfer)
    return Dangling(credit, [ada, mug, order, house, purse])


def refund_of_nothing() -> Dangling:
    ada, mug, order = a_sale()
    payment = a_payment(order, actor=ada)
    elsewhere = an_order(mug, customer=ada)
    refund = a_refund(order, payment, actor=ada)
    refund.order_id = OrderId(elsewhere.id)
    return Dangling(refund, [ada, mug, order, payment])


def refund_of_no_payment() -> Dangling:
    ada, mug, order = a_sale()
    return Dangling(a_refund(order, a_payment(order), actor=ada), [ada, mug, order])


def refund_by_nobody() -> Dangling:
    ada, mug, order = a_sale()
    payment = a_payment(order)
    return Dangling(a_refund(order, payment, actor=a_user()), [ada, mug, order, payment])


def refund_of_no_credit() -> Dangling:
    ada, mug, order = a_sale()
    house, purse = a_house(), an_account(ada)
    paid = a_transfer(house, purse, actor=ada)
    payment = a_payment(order, method=PaymentMethod.STORE_CREDIT, transfer=paid)
    back = a_transfer(house, purse, actor=ada)
    refund = a_refund(order, payment, transfer=back)
    return Dangling(refund, [ada, mug, order, house, purse, paid, payment])


def notification_of_nobody() -> Dangling:
    return Dangling(a_notification(a_user()))


def notification_of_no_order() -> Dangling:
    ada = a_user()
    return Dangling(a_notification(ada, order=an_order(customer=ada)), [ada])


REFERENCES: Final[dict[str, Callable[[], Dangling]]] = {
    "sessions.user_id": session_of_nobody,
    "categories.parent_id": child_of_nobody,
    "products.category_id": product_of_no_category,
    "product_tags.slug": product_of_no_tag,
    "posts.author_id": post_of_nobody,
    "post_tags.slug": post_of_no_tag,
    "accounts.owner_id": account_of_nobody,
    "transfers.actor_id": transfer_of_nobody,
    "entries.account_id": transfer_to_nowhere,
    "orders.customer_id": order_of_nobody,
    "order_lines.product_id": order_of_nothing,
    "payments.order_id": payment_of_nothing,
    "payments.actor_id": payment_by_nobody,
    "payments.transfer_id": payment_of_no_credit,
    "refunds.order_id": refund_of_nothing,
    "refunds.actor_id": refund_by_nobody,
    "refund_parts.payment_id": refund_of_no_payment,
    "refund_parts.transfer_id": refund_of_no_credit,
    "notifications.user_id": notification_of_nobody,
    "notifications.order_id": notification_of_no_order,
}
# Rows that are part of a product, post or order; in memory they have no place of their own.
PARTS: Final = {
    "entries.transfer_id",
    "order_lines.order_id",
    "refund_parts.refund_id",
    "post_tags.post_id",
    "product_search.product_id",
    "product_tags.product_id",
    "stock_movements.product_id",
}
each_reference = pytest.mark.parametrize("dangling", REFERENCES.values(), ids=REFERENCES.keys())


def test_every_reference_that_a_storage_knows_is_in_the_table() -> None:
    in_sql = {
        f"{table.name}.{column.name}"
        for table in TABLES
        for column in table.columns
        if column.foreign_keys
    }
    assert in_sql - PARTS == {*REFERENCES}
    in_memory = [
        *identity.REFERENCES,
        *catalog.REFERENCES,
        *content.REFERENCES,
        *accounts.REFERENCES,
        *ordering.REFERENCES,
        *notifications.REFERENCES,
    ]
    assert len(in_memory) == len(REFERENCES)


@each_reference
async def test_nothing_refers_to_what_is_not_there(
    backend: Backend, dangling: Callable[[], Dangling]
) -> None:
    case = dangling()
    await backend.keep(*case.before)

    async with backend.begin() as work:
        add(work, case.aggregate)
        with pytest.raises(InUse):
            await work.flush()


@each_reference
async def test_a_dangling_reference_fails_the_savepoint_and_the_unit_of_work_goes_on(
    backend: Backend, dangling: Callable[[], Dangling]
) -> None:
    case = dangling()
    await backend.keep(*case.before)

    async with backend.begin() as work:
        with pytest.raises(InUse):
            async with work.savepoint():
                add(work, case.aggregate)
        work.products.add(pot := a_product())
        await work.commit()
    assert await backend.stock(pot) == [10]


async def test_what_refers_and_what_it_refers_to_can_be_made_together(backend: Backend) -> None:
    cups = a_category()
    mugs, ada = a_category(below=cups), a_user()
    mug = a_product(category=mugs)
    order = an_order(mug, customer=ada)

    async with backend.begin() as work:
        for aggregate in (ada, cups, mugs, mug, order):
            add(work, aggregate)
        await work.commit()
    assert await backend.stock(mug) == [9]


async def test_what_the_failed_savepoint_made_cannot_be_referred_to(backend: Backend) -> None:
    mugs = a_category()
    async with backend.begin() as work:
        async with failing(work.savepoint()):
            work.categories.add(mugs)
            await work.flush()
        work.products.add(a_product(category=mugs))
        with pytest.raises(InUse):
            await work.commit()


async def test_a_category_with_children_cannot_be_removed(backend: Backend) -> None:
    cups = a_category()
    mugs = a_category(below=cups)
    await backend.keep(cups, mugs)

    async with backend.begin() as work:
        await work.categories.remove(await category_in(work, cups))
        with pytest.raises(InUse):
            await work.flush()

    assert await backend.categories.find(CategoryId(cups.id))


async def test_a_category_with_products_cannot_be_removed_be_they_deleted(
    backend: Backend,
) -> None:
    mugs = a_category()
    mug = a_product(category=mugs)
    await backend.keep(mugs, mug)

    async with backend.begin() as work:
        (await product_in(work, mug)).delete(at=NOON)
        await work.flush()
        await work.categories.remove(await category_in(work, mugs))
        with pytest.raises(InUse):
            await work.flush()


async def test_a_category_can_be_removed_once_everything_has_left_it(backend: Backend) -> None:
    cups = a_category()
    mugs = a_category(below=cups)
    mug = a_product(category=cups)
    await backend.keep(cups, mugs, mug)

    async with backend.begin() as work:
        (await category_in(work, mugs)).move([], height=1, at=NOON)
        await work.products.leave(CategoryId(cups.id), at=NOON)
        await work.categories.remove(await category_in(work, cups))
        await work.commit()

    found = await backend.products.find(ProductId(mug.id))
    assert found is not None
    assert (found.category_id, found.category) == (None, None)
    assert await backend.categories.find(CategoryId(cups.id)) is None


async def test_a_category_and_what_refers_to_it_can_part_in_one_go(backend: Backend) -> None:
    mugs = a_category()
    mug = a_product(category=mugs)
    await backend.keep(mugs, mug)

    async with backend.begin() as work:
        product, category = await product_in(work, mug), await category_in(work, mugs)
        product.revise({"category_id": None}, at=NOON)
        await work.categories.remove(category)
        await work.commit()

    assert await backend.categories.find(CategoryId(mugs.id)) is None


async def test_what_was_just_put_into_a_category_keeps_it_from_being_removed(
    backend: Backend,
) -> None:
    mugs = a_category()
    await backend.keep(mugs)

    async with backend.begin() as work:
        category = await category_in(work, mugs)
        work.products.add(a_product(category=mugs))
        await work.flush()
        with pytest.raises(InUse):
            async with work.savepoint():
                await work.categories.remove(category)
        await work.commit()

    assert await backend.categories.find(CategoryId(mugs.id))


async def going_while_it_comes(
    backend: Backend, remove: Callable[[OrderingWork], Awaitable[None]], mug: Product
) -> bool:
    """Whether the product has come that refers to what is removed; one of both is refused."""
    under_way = asyncio.Event()

    async def go() -> None:
        async with backend.begin() as work:
            await remove(work)
            await work.flush()
            under_way.set()
            await asyncio.sleep(LONG_ENOUGH)
            await work.commit()

    async def come() -> None:
        await under_way.wait()
        await backend.keep(mug)

    ends = await asyncio.gather(go(), come(), return_exceptions=True)

    assert sorted(type(end).__name__ for end in ends) == ["InUse", "NoneType"]
    return await backend.products.find(ProductId(mug.id)) is not None


async def test_of_a_category_that_goes_and_a_product_that_comes_one_is_refused(
    backend: Backend,
) -> None:
    mugs = a_category()
    await backend.keep(mugs)

    async def remove(work: OrderingWork) -> None:
        await work.categories.remove(await category_in(work, mugs))

    has_come = await going_while_it_comes(backend, remove, a_product(category=mugs))
    assert (not has_come) is (await backend.categories.find(CategoryId(mugs.id)) is None)


async def test_a_tag_that_something_has_cannot_be_removed_be_it_deleted(backend: Backend) -> None:
    tea = a_tag()
    mug = a_product(tags=[tea])
    await backend.keep(tea, mug)

    async with backend.begin() as work:
        (await product_in(work, mug)).delete(at=NOON)
        await work.flush()
        await work.tags.remove(await tag_in(work, tea))
        with pytest.raises(InUse):
            await work.flush()


async def test_a_tag_can_be_removed_once_it_is_taken_off_everything(backend: Backend) -> None:
    tea, pot = a_tag(slug_text="tea"), a_tag(slug_text="pot")
    mug, deleted = a_product(tags=[tea, pot]), a_product(tags=[tea])
    await backend.keep(tea, pot, mug, deleted)

    async with backend.begin() as work:
        (await product_in(work, deleted)).delete(at=NOON)
        await work.products.untag(tea.slug, at=NOON)
        await work.tags.remove(await tag_in(work, tea))
        await work.commit()

    found = [await backend.products.find(ProductId(one.id)) for one in (mug, deleted)]
    assert [one.tags for one in found if one] == [("pot",), ()]


async def test_a_tag_and_what_has_it_can_part_in_one_go(backend: Backend) -> None:
    tea = a_tag()
    mug = a_product(tags=[tea])
    await backend.keep(tea, mug)

    async with backend.begin() as work:
        product, tag = await product_in(work, mug), await tag_in(work, tea)
        product.revise({"tags": ()}, at=NOON)
        await work.tags.remove(tag)
        await work.commit()

    async with backend.begin() as work:
        assert await work.tags.known([tea.slug]) == set()


async def test_of_a_tag_that_goes_and_a_product_that_comes_with_it_one_is_refused(
    backend: Backend,
) -> None:
    tea = a_tag()
    await backend.keep(tea)

    async def remove(work: OrderingWork) -> None:
        await work.tags.remove(await tag_in(work, tea))

    has_come = await going_while_it_comes(backend, remove, a_product(tags=[tea]))
    async with backend.begin() as work:
        assert (not has_come) is (await work.tags.known([tea.slug]) == set())
