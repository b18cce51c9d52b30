from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog.events import ProductChanged, ProductCreated, ProductDeleted
from domain.catalog.product import (
    DEAREST,
    LARGEST_STOCK,
    InsufficientStock,
    NewProduct,
    Product,
    ProductChanges,
    ProductId,
    Shortage,
    StockTooLarge,
    sku,
)
from domain.shared.errors import InvalidValue
from domain.shared.events import Event
from domain.shared.money import Currency, Money
from domain.shared.text import Slug
from tests.builders import BY_HAND, NOON, a_new_product, a_product, gbp, money

LATER = NOON + timedelta(hours=1)
LATEST = NOON + timedelta(hours=2)


def told(product: Product) -> list[Event]:
    return [recorded.event for recorded in product.release_events()]


@pytest.mark.parametrize(
    ("value", "kept"),
    [("mug", "MUG"), ("Mug-1", "MUG-1"), ("0", "0"), ("---", "---"), ("a" * 50, "A" * 50)],
)
def test_a_sku_is_kept_in_upper_case(value: str, kept: str) -> None:
    assert sku(value) == kept


@pytest.mark.parametrize("value", ["", " ", "a b", "a_b", "ä", "ß", "ı", "MUG\n", "１", "a" * 51])
def test_a_sku_is_made_of_letters_digits_and_hyphens(value: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        sku(value)
    assert refused.value.details["field"] == "sku"


def test_a_new_product_is_on_sale() -> None:
    product = a_product(sku_text="mug", price=gbp("9.99"), stock=3)
    assert product.is_active
    assert product.deleted_at is None
    assert told(product) == [
        ProductCreated(product_id=product.id, sku="MUG", price=gbp("9.99"), stock=3, at=NOON)
    ]


@pytest.mark.parametrize("code", ["GBP", "JPY", "KWD", "CLF"])
def test_a_price_may_be_nothing_or_a_lot(code: str) -> None:
    currency = Currency.of(code)
    for minor in (0, DEAREST):
        assert a_product(price=Money(minor, currency)).price.minor == minor
    for minor in (-1, DEAREST + 1):
        with pytest.raises(InvalidValue, match="price is not 0 to") as refused:
            a_product(price=Money(minor, currency))
        assert Money(DEAREST, currency).amount in str(refused.value)
        product = a_product()
        with pytest.raises(InvalidValue):
            product.revise({"price": Money(minor, currency)}, at=LATER)
        assert product.price == gbp("9.99")


def test_nothing_is_in_stock_until_somebody_says_so() -> None:
    product = NewProduct.of(
        sku=sku("MUG"), slug=Slug("mug"), name="Mug", price=gbp("9.99"), because=BY_HAND, at=NOON
    )
    assert (product.stock, product.description, product.metadata) == (0, "", {})


@pytest.mark.parametrize("stock", [0, 3])
def test_a_new_product_tells_what_its_product_tells(stock: int) -> None:
    new = a_new_product(stock=stock)
    product = Product.create(new)
    assert (product.id, product.sku, product.stock) == (new.id, new.sku, stock)
    assert (product.created_at, product.updated_at, product.sequence) == (NOON, NOON, 1)
    assert told(product) == [new.created()]

    moved = [replace(one, id=product.id) for one in product.release_movements()]
    movement = new.movement()
    assert moved == ([replace(movement, id=product.id)] if movement else [])
    assert sum(one.change for one in moved) == stock


@pytest.mark.parametrize("stock", [0, 1, LARGEST_STOCK])
def test_a_stock_may_be_as_large_as_its_column(stock: int) -> None:
    assert a_product(stock=stock).stock == stock


@pytest.mark.parametrize("stock", [-1, LARGEST_STOCK + 1])
def test_a_stock_is_never_negative_nor_larger_than_its_column(stock: int) -> None:
    with pytest.raises(InvalidValue, match="stock is not 0 to 2147483647"):
        a_product(stock=stock)


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "a\nb"},
        {"name": "a" * 201},
        {"description": "\x00"},
        {"description": "a" * 10_001},
        {"metadata": {"": "empty"}},
        {"metadata": {" ": "blank"}},
        {"metadata": {"a\nb": "two lines"}},
        {"metadata": {"a" * 41: "long"}},
        {"metadata": {"long": "a" * 501}},
        {"metadata": {"null": "\x00"}},
        {"metadata": {str(number): "" for number in range(51)}},
    ],
)
def test_texts_and_metadata_have_limits(change: ProductChanges) -> None:
    product = a_product(name="Mug", metadata={"colour": "red"})
    told(product)
    with pytest.raises(InvalidValue) as refused:
        product.revise({"is_active": False, **change}, at=LATER)
    assert refused.value.details["field"] in change
    assert product.is_active
    assert (product.name, product.metadata) == ("Mug", {"colour": "red"})
    assert told(product) == []


def test_metadata_up_to_the_limits_is_kept() -> None:
    pairs = {f"{number:040}": "a\n" * 250 for number in range(50)}
    assert a_product(metadata=pairs).metadata == pairs
    with pytest.raises(InvalidValue, match="metadata has more than 50 pairs"):
        a_product(metadata={**pairs, "one": "more"})


def test_metadata_is_not_shared_with_whoever_gave_it() -> None:
    pairs = {"colour": "red"}
    product = a_product(metadata=pairs)
    pairs["colour"] = "blue"
    assert product.metadata == {"colour": "red"}


def test_a_revision_tells_which_fields_it_changed_and_the_price_from_now_on() -> None:
    product = a_product(sku_text="MUG", name="Mug", price=gbp("9.99"))
    told(product)
    product.revise(
        {"name": "Big mug", "price": gbp("12"), "sku": sku("mug"), "is_active": True}, at=LATER
    )
    assert (product.name, product.price, product.updated_at) == ("Big mug", gbp("12"), LATER)
    assert told(product) == [
        ProductChanged(
            product_id=product.id, sku="MUG", fields=("name", "price"), price=gbp("12"), at=LATER
        )
    ]


def test_a_new_sku_is_the_one_that_is_told() -> None:
    product = a_product(sku_text="MUG")
    told(product)
    product.revise({"sku": sku("CUP"), "slug": Slug("cup")}, at=LATER)
    [event] = told(product)
    assert isinstance(event, ProductChanged)
    assert (event.sku, event.fields) == ("CUP", ("sku", "slug"))


def test_a_revision_that_changes_nothing_never_happened() -> None:
    product = a_product(name="Mug", metadata={"colour": "red"})
    told(product)
    for nothing in (
        ProductChanges(),
        ProductChanges(name="Mug", price=gbp("9.99"), metadata={"colour": "red"}),
    ):
        product.revise(nothing, at=LATER)
    assert told(product) == []
    assert product.updated_at == NOON


def test_the_changes_that_were_asked_for_stay_as_they_were() -> None:
    changes = ProductChanges(metadata={"colour": "red"})
    a_product().revise(changes, at=LATER)
    assert changes == {"metadata": {"colour": "red"}}


def test_the_same_price_in_another_currency_is_another_price() -> None:
    product = a_product(price=gbp("5"))
    product.revise({"price": money("5", "EUR")}, at=LATER)
    assert product.price == money("5", "EUR")


def test_what_is_taken_is_missing_and_what_is_put_back_is_there() -> None:
    product = a_product(stock=5)
    product.take(3, BY_HAND, at=LATER)
    assert (product.stock, product.updated_at) == (2, LATER)
    product.put_back(1, BY_HAND, at=LATEST)
    assert (product.stock, product.updated_at) == (3, LATEST)
    product.take(3, BY_HAND, at=LATEST)
    assert product.stock == 0


def test_nobody_takes_more_than_there_is() -> None:
    product = a_product(sku_text="MUG", stock=2)
    short = Shortage(ProductId(product.id), sku("MUG"), requested=3, available=2)
    assert product.shortage(2) is None
    assert product.shortage(3) == short
    with pytest.raises(InsufficientStock, match="not enough in stock of MUG") as refused:
        product.take(3, BY_HAND, at=LATER)
    assert refused.value.details == {"shortages": (short,)}
    assert (product.stock, product.updated_at) == (2, NOON)


def test_no_more_is_put_back_than_a_stock_can_hold() -> None:
    product = a_product(stock=LARGEST_STOCK - 1)
    product.put_back(1, BY_HAND, at=LATER)
    with pytest.raises(StockTooLarge) as refused:
        product.put_back(1, BY_HAND, at=LATER)
    assert refused.value.details == {"largest": LARGEST_STOCK}
    assert product.stock == LARGEST_STOCK


@given(
    st.integers(min_value=0, max_value=LARGEST_STOCK),
    st.lists(st.integers(min_value=1, max_value=1_000_000)),
)
def test_a_stock_never_falls_below_zero_and_loses_nothing(stock: int, wanted: list[int]) -> None:
    product, taken = a_product(stock=stock), 0
    for quantity in wanted:
        if not product.shortage(quantity):
            product.take(quantity, BY_HAND, at=LATER)
            taken += quantity
    assert product.stock >= 0
    assert product.stock + taken == stock


def test_a_deleted_product_stays_what_it_was_but_for_the_time() -> None:
    product = a_product(sku_text="MUG", stock=5)
    told(product)
    product.delete(at=LATER)
    assert product.deleted_at == product.updated_at == LATER
    assert (product.sku, product.stock) == ("MUG", 5)
    assert told(product) == [ProductDeleted(product_id=product.id, sku="MUG", at=LATER)]
