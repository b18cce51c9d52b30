import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from infrastructure.sql.migrating import Migrations
from tests.benchmarks.__main__ import report
from tests.benchmarks.books import Books
from tests.benchmarks.figures import OURS, USUAL, Row
from tests.benchmarks.load import Answered
from tests.benchmarks.measuring import Extent, Way, Work, measure
from tests.benchmarks.shop import Shop, thirds

EXTENT = Extent(rounds=2, seconds=0.5)

A_PRODUCT = """
INSERT INTO products (id, version, sequence, sku, slug, name, description, price_minor,
                      price_currency, stock, is_active, tags, metadata, created_at, updated_at)
VALUES ('0190a0c2a3f07d1e8000000000000001', 1, 1, 'P-1', 'p-1', 'P', '', 100, 'USD', 5, 1, '[]',
        '{}', '2026-11-21 12:00:00', '2026-11-21 12:00:00')
"""


@pytest.fixture
def unseen(tmp_path: Path) -> Shop:
    """One that nobody looks into while only reading is measured."""
    return Shop(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}", 0)


@pytest.fixture
def empty(unseen: Shop) -> Shop:
    """One with tables, and nothing in them."""
    Migrations(unseen.url).upgrade()
    return unseen


def answering(*complaints: str, answers: int = 10) -> Way:
    return lambda seconds, _: Answered(seconds, answers, [1.0] * answers, [*complaints])


def row_of(shop: Shop, lines: int = 0, **ways: Way) -> Row:
    row = Row("place", "place an order", 2)
    measure(Work(row, {OURS: ways["ours"], USUAL: ways["usual"]}, shop, lines), EXTENT)
    return row


def said_of(row: Row, folder: Path, *wrong: str) -> tuple[int, str]:
    said = StringIO()
    return report([row], wrong, "somewhere", folder, Console(file=said, width=170)), said.getvalue()


def test_a_slice_with_a_wrong_answer_does_not_count_and_is_told_of(
    unseen: Shop, tmp_path: Path
) -> None:
    row = row_of(unseen, ours=answering("500 instead of 200"), usual=answering())
    code, said = said_of(row, tmp_path)

    assert row.slices(OURS) == []
    assert [one.rate for one in row.slices(USUAL)] == [20.0, 20.0]
    assert code == 1
    assert "wrong: place: ours: 500 instead of 200" in said


def test_a_slice_without_an_answer_does_not_count(unseen: Shop) -> None:
    row = row_of(unseen, ours=answering(answers=0), usual=answering())

    assert row.slices(OURS) == []
    assert "ours: nothing was answered" in row.complaints


def test_an_order_that_is_answered_but_not_in_the_tables_does_not_count(empty: Shop) -> None:
    row = row_of(empty, lines=3, ours=answering(), usual=answering(answers=0))

    assert row.slices(OURS) == []
    assert "ours: orders: 0 instead of 10" in row.complaints


def test_what_is_right_is_written_down(unseen: Shop, tmp_path: Path) -> None:
    code, said = said_of(row_of(unseen, ours=answering(), usual=answering()), tmp_path)

    assert code == 0
    assert "place an order, c=2" in said
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert results["rows"][0]["variants"][OURS]["rate"]["median"] == 20
    assert (tmp_path / "chart.svg").read_text(encoding="utf-8").startswith("<svg")


def test_what_is_wrong_with_a_shop_fails_the_whole(unseen: Shop, tmp_path: Path) -> None:
    row = row_of(unseen, ours=answering(), usual=answering())

    assert said_of(row, tmp_path, "1 product is astray")[0] == 1


def test_every_variant_goes_first_in_turns(unseen: Shop) -> None:
    went: list[str] = []

    def noting(name: str) -> Way:
        def way(seconds: float, tag: str) -> Answered:
            went.append(name)
            return answering()(seconds, tag)

        return way

    row_of(unseen, ours=noting("ours"), usual=noting("usual"))

    warming_up = 2
    assert went[warming_up:] == ["ours", "usual", "usual", "ours"]


def test_the_books_of_an_empty_shop_are_empty(empty: Shop) -> None:
    notifications = 0 if empty.has_notifications() else None

    assert empty.books() == replace(Books(*[0] * 11), notifications=notifications)
    assert empty.astray() == 0


def test_stock_that_no_movement_explains_is_astray(empty: Shop) -> None:
    empty.rows(A_PRODUCT)

    assert empty.books().stock == 5
    assert empty.astray() == 1


def test_products_are_ordered_from_three_parts_without_the_hot_one() -> None:
    assert [*thirds(10)] == [range(1, 4), range(4, 7), range(7, 10)]
