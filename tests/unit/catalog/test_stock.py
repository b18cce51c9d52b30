"""What moves in and out of stock, why, and what is written down of it."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog.events import ProductStockAdjusted
from domain.catalog.product import (
    LARGEST_STOCK,
    InsufficientStock,
    Product,
    StockChanged,
    StockTooLarge,
)
from domain.catalog.stock import REASON_LENGTH, Because, Cause, StockMovement
from domain.shared.errors import DomainError, InvalidValue
from domain.shared.events import Event
from tests.builders import BY_HAND, NOON, a_product, an_order

LATER = NOON + timedelta(hours=1)
BROKEN = Because(Cause.ADJUSTMENT, UUID(int=9), "broken")


def moved(product: Product) -> list[tuple[int, int]]:
    """What moved since somebody last asked, and what was left each time."""
    return [(one.change, one.stock_after) for one in product.release_movements()]


def told(product: Product) -> list[Event]:
    return [recorded.event for recorded in product.release_events()]


def a_known_product(stock: int) -> Product:
    """One of which all is told."""
    product = a_product(sku_text="MUG", stock=stock)
    told(product)
    moved(product)
    return product


def test_the_first_stock_of_a_product_moves_in() -> None:
    product = a_product(stock=3)
    [opening] = product.release_movements()
    assert opening == StockMovement(
        id=opening.id, product_id=product.id, change=3, stock_after=3, because=BY_HAND, at=NOON
    )
    assert opening.id.version == 7


def test_nothing_moves_where_there_is_nothing() -> None:
    assert moved(a_product(stock=0)) == []


@pytest.mark.parametrize("cause", Cause)
def test_a_movement_says_what_for_who_why_and_when(cause: Cause) -> None:
    because = Because(cause, uuid4(), "why", uuid4())
    product = a_known_product(5)
    product.take(2, because, at=LATER)
    product.put_back(1, because, at=LATER)
    taken, returned = product.release_movements()
    assert (taken.change, taken.stock_after, taken.because, taken.at) == (-2, 3, because, LATER)
    assert (returned.change, returned.stock_after) == (1, 4)
    assert taken.product_id == returned.product_id == product.id
    assert taken.id != returned.id


def test_nothing_moves_by_nothing() -> None:
    product = a_known_product(5)
    product.take(0, BY_HAND, at=LATER)
    product.put_back(0, BY_HAND, at=LATER)
    product.adjust(0, BY_HAND, at=LATER)
    product.count(5, BY_HAND, expected=5, at=LATER)
    assert moved(product) == []
    assert told(product) == []
    assert (product.stock, product.updated_at) == (5, NOON)


def test_a_movement_is_handed_out_once() -> None:
    product = a_product(stock=5)
    assert moved(product) == [(5, 5)]
    assert moved(product) == []


def test_what_is_refused_has_not_moved() -> None:
    product = a_known_product(LARGEST_STOCK)
    with pytest.raises(StockTooLarge):
        product.put_back(1, BY_HAND, at=LATER)
    with pytest.raises(StockTooLarge):
        product.adjust(1, BY_HAND, at=LATER)
    with pytest.raises(InsufficientStock):
        product.take(LARGEST_STOCK + 1, BY_HAND, at=LATER)
    with pytest.raises(InsufficientStock):
        product.adjust(-LARGEST_STOCK - 1, BY_HAND, at=LATER)
    assert moved(product) == []
    assert told(product) == []
    assert (product.stock, product.updated_at) == (LARGEST_STOCK, NOON)


@pytest.mark.parametrize(("change", "left"), [(-5, 0), (-2, 3), (3, 8)])
def test_an_adjustment_is_told_with_its_reason(change: int, left: int) -> None:
    product = a_known_product(5)
    product.adjust(change, BROKEN, at=LATER)
    assert moved(product) == [(change, left)]
    assert (product.stock, product.updated_at) == (left, LATER)
    assert told(product) == [
        ProductStockAdjusted(
            product_id=product.id,
            sku="MUG",
            change=change,
            stock=left,
            cause="adjustment",
            reason="broken",
            actor_id=UUID(int=9),
            at=LATER,
        )
    ]


@pytest.mark.parametrize(("stock", "change"), [(0, -5), (4, -1), (9, 4), (LARGEST_STOCK, None)])
def test_a_count_moves_what_was_too_many_or_missing(stock: int, change: int | None) -> None:
    product = a_known_product(5)
    product.count(stock, BROKEN, at=LATER)
    expected = stock - 5 if change is None else change
    assert moved(product) == [(expected, stock)]
    [event] = told(product)
    assert isinstance(event, ProductStockAdjusted)
    assert (event.change, event.stock) == (expected, stock)


def test_a_count_holds_only_if_nothing_has_moved_since() -> None:
    product = a_known_product(5)
    with pytest.raises(StockChanged, match="the stock is 5, not 4") as refused:
        product.count(9, BROKEN, expected=4, at=LATER)
    assert refused.value.details == {"expected": 4, "stock": 5}
    with pytest.raises(StockChanged):
        product.count(5, BROKEN, expected=0, at=LATER)
    assert (product.stock, moved(product), told(product)) == (5, [], [])
    product.count(9, BROKEN, expected=5, at=LATER)
    assert product.stock == 9


@pytest.mark.parametrize("stock", [-1, LARGEST_STOCK + 1])
def test_a_count_is_never_negative_nor_larger_than_a_stock(stock: int) -> None:
    product = a_known_product(5)
    with pytest.raises(InvalidValue, match="stock is not 0 to 2147483647"):
        product.count(stock, BROKEN, at=LATER)
    assert (product.stock, moved(product)) == (5, [])


def test_a_reason_may_be_a_few_lines_and_no_more() -> None:
    long = "a\n" * (REASON_LENGTH // 2)
    assert Because(Cause.ADJUSTMENT, uuid4(), long).reason == long
    assert Because(Cause.ADJUSTMENT, uuid4(), "").reason == ""
    for reason in (long + "a", "\x00", "\ud800"):
        with pytest.raises(InvalidValue) as refused:
            Because(Cause.ADJUSTMENT, uuid4(), reason)
        assert refused.value.details["field"] == "reason"


def test_an_order_takes_from_stock_in_its_own_name() -> None:
    mug, pot = a_known_product(5), a_known_product(5)
    order = an_order(quantities={mug: 2, pot: 1})
    for product, change in ((mug, -2), (pot, -1)):
        [movement] = product.release_movements()
        assert movement.change == change
        assert movement.because == Because(
            Cause.ORDER, order.customer_id, reason=None, order_id=order.id
        )
        assert movement.at == NOON
        # Of what an order takes it tells itself.
        assert told(product) == []


Step = tuple[str, int]


@given(
    st.integers(0, 20),
    st.lists(
        st.tuples(st.sampled_from(["take", "put_back", "adjust", "count"]), st.integers(-30, 30))
    ),
)
def test_all_movements_add_up_to_the_stock(stock: int, steps: Sequence[Step]) -> None:
    product = a_product(stock=stock)
    for how, many in steps:
        quantity = many if how == "adjust" else abs(many)
        try:
            getattr(product, how)(quantity, BY_HAND, at=LATER)
        except DomainError:
            continue
    left = 0
    for movement in product.release_movements():
        assert movement.change != 0
        left += movement.change
        assert movement.stock_after == left >= 0
    assert left == product.stock
