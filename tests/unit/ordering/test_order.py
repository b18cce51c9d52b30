import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog.product import (
    DEAREST,
    InsufficientStock,
    Product,
    ProductId,
    Shortage,
)
from domain.identity.user import UserId
from domain.ordering.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderPlaced,
    OrderShipped,
    Quantity,
)
from domain.ordering.order import (
    LARGEST_QUANTITY,
    MOST_LINES,
    Order,
    OrderTooLarge,
    PriceChanged,
    ProductUnavailable,
    new_number,
    summed,
)
from domain.ordering.status import InvalidTransition, OrderStatus
from domain.shared.author import Author
from domain.shared.errors import InvalidValue
from domain.shared.events import Event
from domain.shared.money import Currency, CurrencyMismatch, Money
from tests.builders import NOON, a_product, an_order, gbp, usd

LATER = NOON + timedelta(hours=1)
ME = UserId(uuid4())


def told(order: Order) -> list[Event]:
    return [recorded.event for recorded in order.release_events()]


def by_id(*products: Product) -> Mapping[ProductId, Product]:
    return {ProductId(product.id): product for product in products}


def test_an_order_takes_everything_it_wants_from_stock() -> None:
    mug, cup = a_product(price=gbp("9.99"), stock=5), a_product(price=gbp("3.50"), stock=1)
    order = an_order(quantities={mug: 2, cup: 1})
    assert order.status is OrderStatus.PENDING
    assert order.total == gbp("23.48")
    assert (mug.stock, cup.stock) == (3, 0)
    assert order.placed_at == order.updated_at == mug.updated_at == NOON


def test_lines_stand_in_the_order_they_were_asked_for() -> None:
    products = [a_product() for _ in range(5)]
    order = an_order(*reversed(products))
    assert [line.product_id for line in order.lines] == [product.id for product in products[::-1]]
    assert [line.position for line in order.lines] == [1, 2, 3, 4, 5]


def test_an_order_tells_what_was_bought_by_whom() -> None:
    mug = a_product(sku_text="MUG", price=gbp("5"))
    order = an_order(mug, quantity=2)
    assert told(order) == [
        OrderPlaced(
            order_id=order.id,
            number=order.number,
            customer_id=order.customer_id,
            total=gbp("10.00"),
            items=(Quantity(product_id=mug.id, sku="MUG", quantity=2),),
            actor_id=order.customer_id,
            at=NOON,
        )
    ]


def test_an_order_keeps_prices_names_and_skus_as_they_were() -> None:
    mug = a_product(sku_text="MUG", name="Mug", price=gbp("5"))
    order = an_order(mug, quantity=2)
    mug.revise({"name": "Cup", "price": gbp("50"), "is_active": False}, at=LATER)
    mug.delete(at=LATER)
    [line] = order.lines
    assert (line.sku, line.name, line.unit_price, line.total) == (
        "MUG",
        "Mug",
        gbp("5"),
        gbp("10"),
    )
    assert order.total == gbp("10")


def test_every_product_that_is_short_is_named_and_nothing_is_taken() -> None:
    mug, cup, pot = a_product(stock=5), a_product(stock=1), a_product(stock=0)
    with pytest.raises(InsufficientStock) as refused:
        an_order(quantities={cup: 2, mug: 5, pot: 1})
    assert refused.value.details["shortages"] == (
        Shortage(ProductId(cup.id), cup.sku, requested=2, available=1),
        Shortage(ProductId(pot.id), pot.sku, requested=1, available=0),
    )
    assert (mug.stock, cup.stock, pot.stock) == (5, 1, 0)


def test_what_is_not_on_sale_is_not_sold_and_every_such_product_is_named() -> None:
    mug, cup, pot = a_product(), a_product(is_active=False), a_product(is_active=False)
    with pytest.raises(ProductUnavailable) as refused:
        an_order(mug, cup, pot)
    assert refused.value.details["products"] == [
        {"product_id": cup.id, "sku": cup.sku},
        {"product_id": pot.id, "sku": pot.sku},
    ]
    assert mug.stock == 10


def test_an_order_has_one_currency() -> None:
    mug, cup = a_product(price=gbp("5")), a_product(price=usd("5"))
    with pytest.raises(CurrencyMismatch) as refused:
        an_order(mug, cup)
    assert refused.value.details == {"currencies": ["GBP", "USD"]}
    assert (mug.stock, cup.stock) == (10, 10)


def test_a_total_that_was_expected_and_holds_is_fine() -> None:
    assert an_order(a_product(price=gbp("5")), expected_total=gbp("5.00")).total == gbp("5")


@pytest.mark.parametrize("expected", [gbp("4.99"), gbp("5.01"), usd("5.00")])
def test_a_total_that_no_longer_holds_is_told_before_anything_is_taken(expected: Money) -> None:
    mug = a_product(price=gbp("5"), stock=1)
    with pytest.raises(PriceChanged) as refused:
        an_order(mug, expected_total=expected)
    assert refused.value.details == {"expected_total": expected, "total": gbp("5")}
    assert mug.stock == 1


def test_no_order_comes_to_more_than_the_books_can_hold() -> None:
    dear = a_product(price=Money(DEAREST, Currency.of("GBP")), stock=2_000)
    rest, one_more = a_product(price=gbp("9.99")), a_product(price=gbp("0.01"))
    assert an_order(quantities={dear: 1_000, rest: 1}).total == gbp("9999999999999.99")
    with pytest.raises(OrderTooLarge) as refused:
        an_order(quantities={dear: 1_000, rest: 1, one_more: 1})
    assert refused.value.details == {"largest": gbp("9999999999999.99")}
    assert (dear.stock, rest.stock, one_more.stock) == (1_000, 9, 10)


def test_what_costs_nothing_can_be_ordered() -> None:
    assert an_order(a_product(price=gbp("0"))).total == gbp("0")


@pytest.mark.parametrize("note", ["\x00", "a" * 2001])
def test_a_note_that_does_not_fit_takes_nothing(note: str) -> None:
    mug = a_product(stock=1)
    with pytest.raises(InvalidValue) as refused:
        an_order(mug, note=note)
    assert refused.value.details["field"] == "note"
    assert mug.stock == 1


def test_a_note_may_have_many_lines() -> None:
    note = "Ring twice,\nplease." + "!" * 1981
    assert an_order(note=note).note == note


def test_lines_of_one_product_are_summed() -> None:
    mug, cup = ProductId(uuid4()), ProductId(uuid4())
    assert summed([(mug, 1), (cup, 2), (mug, 3)]) == {mug: 4, cup: 2}
    assert [*summed([(mug, 1), (cup, 2), (mug, 3)])] == [mug, cup]


@pytest.mark.parametrize("quantity", [0, -1, LARGEST_QUANTITY + 1])
def test_a_quantity_is_at_least_one_and_at_most_a_million(quantity: int) -> None:
    mug = ProductId(uuid4())
    for lines in ([(mug, quantity)], [(mug, 5), (mug, quantity)]):
        with pytest.raises(InvalidValue, match="quantity is not 1 to 1000000"):
            summed(lines)
    assert summed([(mug, LARGEST_QUANTITY), (mug, 1)]) == {mug: LARGEST_QUANTITY + 1}


def test_an_order_has_at_least_one_line_and_at_most_500() -> None:
    mug = ProductId(uuid4())
    assert summed([(mug, 1)] * MOST_LINES) == {mug: 500}
    for lines in ([], [(mug, 1)] * (MOST_LINES + 1)):
        with pytest.raises(InvalidValue, match="items is not 1 to 500 lines"):
            summed(lines)


@given(
    st.lists(
        st.tuples(st.integers(0, DEAREST), st.integers(0, 1000), st.integers(1, LARGEST_QUANTITY)),
        min_size=1,
        max_size=8,
    )
)
def test_an_order_takes_everything_and_adds_up_or_takes_nothing(
    wanted: list[tuple[int, int, int]],
) -> None:
    pounds = Currency.of("GBP")
    products = [a_product(price=Money(price, pounds), stock=stock) for price, stock, _ in wanted]
    quantities = {product: row[2] for product, row in zip(products, wanted, strict=True)}
    before = [product.stock for product in products]
    try:
        order = an_order(quantities=quantities)
    except (InsufficientStock, OrderTooLarge):
        assert [product.stock for product in products] == before
        return
    assert order.total.minor == sum(price * quantity for price, _, quantity in wanted)
    assert order.total == sum((line.total for line in order.lines), start=gbp("0"))
    for product, stock, line in zip(products, before, order.lines, strict=True):
        assert product.stock + line.quantity == stock
        assert product.stock >= 0


def test_an_order_goes_all_the_way_to_its_customer() -> None:
    order = an_order()
    told(order)
    order.confirm("paid", by=Author(ME), at=LATER)
    order.ship(tracking_number="1Z999", by=Author(ME), at=LATER)
    order.deliver(by=Author(ME), at=LATER)
    assert order.status is OrderStatus.DELIVERED
    assert order.tracking_number == "1Z999"
    assert (order.placed_at, order.updated_at) == (NOON, LATER)
    assert told(order) == [
        OrderConfirmed(previous="pending", reason="paid", order_id=order.id, actor_id=ME, at=LATER),
        OrderShipped(
            previous="confirmed",
            reason=None,
            tracking_number="1Z999",
            order_id=order.id,
            actor_id=ME,
            at=LATER,
        ),
        OrderDelivered(previous="shipped", reason=None, order_id=order.id, actor_id=ME, at=LATER),
    ]


def test_what_a_cancelled_order_had_taken_is_back_in_stock() -> None:
    mug, cup = a_product(stock=5), a_product(stock=5)
    order = an_order(quantities={mug: 2, cup: 5})
    told(order)
    order.cancel(by_id(mug, cup), "changed my mind", by=Author(ME), at=LATER)
    assert (mug.stock, cup.stock) == (5, 5)
    assert mug.updated_at == LATER
    assert told(order) == [
        OrderCancelled(
            previous="pending",
            order_id=order.id,
            reason="changed my mind",
            items=order.quantities,
            actor_id=ME,
            at=LATER,
        )
    ]


def test_an_order_is_cancelled_exactly_once() -> None:
    mug = a_product(stock=5)
    order = an_order(mug, quantity=2)
    order.cancel(by_id(mug), by=Author(ME), at=LATER)
    told(order)
    with pytest.raises(InvalidTransition):
        order.cancel(by_id(mug), by=Author(ME), at=LATER)
    assert mug.stock == 5
    assert told(order) == []


def test_what_was_shipped_does_not_come_back_by_cancelling() -> None:
    mug = a_product(stock=5)
    order = an_order(mug, quantity=2)
    order.confirm(by=Author(ME), at=LATER)
    order.ship(by=Author(ME), at=LATER)
    with pytest.raises(InvalidTransition):
        order.cancel(by_id(mug), by=Author(ME), at=LATER)
    assert mug.stock == 3


@pytest.mark.parametrize("reason", ["\x00", "a" * 501])
def test_a_reason_that_does_not_fit_moves_nothing(reason: str) -> None:
    mug = a_product(stock=5)
    order = an_order(mug)
    with pytest.raises(InvalidValue) as refused:
        order.cancel(by_id(mug), reason, by=Author(ME), at=LATER)
    assert refused.value.details["field"] == "reason"
    assert (order.status, mug.stock) == (OrderStatus.PENDING, 4)


@pytest.mark.parametrize("tracking_number", ["", " ", "1Z\n9", "a" * 101])
def test_a_tracking_number_that_does_not_fit_ships_nothing(tracking_number: str) -> None:
    order = an_order()
    order.confirm(by=Author(ME), at=NOON)
    with pytest.raises(InvalidValue) as refused:
        order.ship(tracking_number=tracking_number, by=Author(ME), at=LATER)
    assert refused.value.details["field"] == "tracking_number"
    assert (order.status, order.updated_at) == (OrderStatus.CONFIRMED, NOON)


def test_an_order_number_has_the_day_and_eight_letters_that_are_not_mistaken() -> None:
    numbers = [new_number(datetime(2026, 1, 2, 23, 59, tzinfo=UTC)) for _ in range(1000)]
    for number in numbers:
        assert re.fullmatch(r"ORD-20260102-[0-9A-HJKMNP-TV-Z]{8}", number)
    assert len({*numbers}) == 1000
    assert {*"".join(number[-8:] for number in numbers)} == {*"0123456789ABCDEFGHJKMNPQRSTVWXYZ"}
