from dataclasses import replace

import pytest

from tests.benchmarks.books import Books, wrong_books

BEFORE = Books(
    orders=10,
    told=10,
    keys=12,
    lines=30,
    ordered=30,
    owed=900,
    priced=900,
    movements=30,
    moved=30,
    stock=1_000,
    oversold=0,
    notifications=10,
)
AFTER = Books(  # two orders of three lines later
    orders=12,
    told=12,
    keys=14,
    lines=36,
    ordered=36,
    owed=1_100,
    priced=1_100,
    movements=36,
    moved=36,
    stock=994,
    oversold=0,
    notifications=12,
)


def test_books_that_add_up_are_not_complained_of() -> None:
    assert [*wrong_books(BEFORE, AFTER, created=2, lines=3)] == []


def test_a_shop_without_notifications_needs_none() -> None:
    before, after = (replace(books, notifications=None) for books in (BEFORE, AFTER))

    assert [*wrong_books(before, after, created=2, lines=3)] == []


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"orders": 11}, "orders: 1 instead of 2"),
        ({"told": 13}, "events of orders: 3 instead of 2"),
        ({"keys": 13}, "idempotency keys: 1 instead of 2"),
        ({"lines": 35, "movements": 35}, "lines: 5 instead of 6"),
        ({"movements": 35}, "movements: 5 instead of 6"),
        ({"moved": 35}, "moved: 5 instead of 6"),
        ({"stock": 995}, "taken from stock: 5 instead of 6"),
        ({"owed": 1_101}, "totals: 201 instead of 200"),
        ({"oversold": 1}, "oversold products: 1 instead of 0"),
        ({"notifications": 11}, "notifications: 1 instead of 2"),
    ],
)
def test_whatever_does_not_add_up_is_named(wrong: dict[str, int], complaint: str) -> None:
    after = replace(AFTER, **wrong)

    assert [*wrong_books(BEFORE, after, created=2, lines=3)] == [complaint]


def test_an_answer_for_which_there_is_no_order_is_noticed() -> None:
    assert "orders: 2 instead of 3" in [*wrong_books(BEFORE, AFTER, created=3, lines=3)]


def test_an_oversold_product_stays_wrong() -> None:
    before, after = (replace(books, oversold=1) for books in (BEFORE, AFTER))

    assert [*wrong_books(before, after, created=2, lines=3)] == [
        "oversold products: 1 instead of 0"
    ]
