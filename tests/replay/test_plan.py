import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from tests.replay.invoices import UNREADABLE, NotTheFile, read
from tests.replay.plan import MORE, NO_CUSTOMER, NOT_BOUGHT, Plan, usual_price
from tests.replay.small_month import SMALL_MONTH, Row, write


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan.of(read(write(tmp_path / "month.csv.gz", SMALL_MONTH)))


def plan_of(tmp_path: Path, *rows: Row) -> Plan:
    return Plan.of(read(write(tmp_path / "month.csv.gz", rows)))


def test_every_line_is_in_one_step_or_refused_with_its_reason(plan: Plan) -> None:
    in_steps = [line.number for step in plan.steps for line in step.lines]
    assert sorted([*in_steps, *plan.refused]) == list(range(1, len(SMALL_MONTH) + 1))
    assert plan.refused == {
        3: "no goods: postage",
        10: MORE,
        11: NOT_BOUGHT,
        12: NO_CUSTOMER,
        13: "quantity below zero, no return",
        14: "price of zero",
        15: "adjustment of a debt",
        16: "no goods: gift voucher",
        17: "a code that no product can have",
        18: UNREADABLE,
        19: UNREADABLE,
        20: "price below zero",
        522: NOT_BOUGHT,
        529: MORE,
        533: MORE,
    }


def test_a_cancellation_undoes_the_one_sale_of_just_these_goods(plan: Plan) -> None:
    undone = {step.invoice: step.sale.invoice for step in plan.cancellations}
    assert undone == {"C536368": "536366", "C536381": "536379", "C536388": "536387"}


def test_of_two_sales_alike_the_later_is_undone_first(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        ("1", "85123A", "2", "01", "2.55", "17850.0"),
        ("2", "85123A", "1", "01", "2.55", "17850.0"),
        ("2", "85123A", "1", "01", "2.55", "17850.0"),
        ("C3", "85123A", "-2", "01", "2.55", "17850.0"),
        ("C4", "85123A", "-2", "02", "2.55", "17850.0"),
        ("C5", "85123A", "-2", "02", "2.55", "17850.0"),
    )
    assert [step.sale.invoice for step in plan.cancellations] == ["2", "1"]
    assert plan.refused == {6: NOT_BOUGHT}


def test_what_is_bought_later_or_by_another_customer_is_not_undone(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        ("1", "85123A", "2", "01", "2.55", "12583.0"),
        ("C2", "85123A", "-2", "01", "2.55", "17850.0"),
        ("3", "85123A", "2", "02", "2.55", "17850.0"),
    )
    assert plan.cancellations == []
    assert plan.refused == {2: NOT_BOUGHT}


def taken_in(plan: Plan) -> list[tuple[int, str, int, int]]:
    """Of each return the line, the sale and its part, and how much comes out of it."""
    return [
        (step.line.number, taken.sale.invoice, taken.part, taken.quantity)
        for step in plan.returns
        for taken in step.taken
    ]


def test_what_is_brought_back_comes_out_of_the_orders_that_held_it(plan: Plan) -> None:
    assert taken_in(plan) == [
        (9, "536365", 1, 1),
        (523, "536365", 1, 1),
        (528, "536384", 1, 2),
        (528, "536383", 1, 4),
        (530, "536383", 1, 1),
    ]


def test_the_latest_order_that_holds_enough_gives_all_of_it(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        ("1", "85123A", "9", "01", "2.55", "17850.0"),
        ("2", "85123A", "4", "01", "2.55", "17850.0"),
        ("3", "85123A", "2", "01", "2.55", "17850.0"),
        ("C4", "85123A", "-3", "02", "2.55", "17850.0"),
        ("C5", "85123A", "-3", "02", "2.55", "17850.0"),
    )
    assert taken_in(plan) == [(4, "2", 1, 3), (5, "1", 1, 3)]


def test_a_sale_of_several_orders_gives_out_of_the_one_that_holds_it(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        *[("1", "85123A", "1", "01", "2.55", "17850.0")] * 501,
        ("C2", "85123A", "-1", "02", "2.55", "17850.0"),
        ("C3", "85123A", "-500", "02", "2.55", "17850.0"),
        ("C4", "85123A", "-1", "02", "2.55", "17850.0"),
    )
    assert taken_in(plan) == [(502, "1", 2, 1), (503, "1", 1, 500)]
    assert plan.refused == {504: MORE}


def test_what_is_undone_as_a_whole_gives_nothing_before(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        ("1", "85123A", "2", "01", "2.55", "17850.0"),
        ("2", "85123A", "1", "01", "2.55", "17850.0"),
        ("C3", "85123A", "-1", "01", "2.55", "17850.0"),
        ("C4", "85123A", "-1", "02", "2.55", "17850.0"),
        ("C5", "85123A", "-2", "02", "2.55", "17850.0"),
    )
    assert [step.sale.invoice for step in plan.cancellations] == ["2", "1"]
    assert plan.refused == {4: MORE}


def test_a_product_costs_what_it_costs_most_often_and_is_stocked_for_the_month(plan: Plan) -> None:
    assert {article.sku: (article.price, article.stock) for article in plan.articles} == {
        "85123A": (Decimal("2.55"), 10),
        "71053": (Decimal("3.40"), 15),
        "22423": (Decimal("12.75"), 503),
    }
    assert plan.articles[0].name == "ITEM 85123A"


def test_of_prices_as_frequent_the_lowest_is_taken() -> None:
    assert usual_price(map(Decimal, ("2.95", "2.55", "9.99", "2.55", "2.95"))) == Decimal("2.55")


def test_a_sale_of_more_lines_than_an_order_holds_is_split_without_loss(plan: Plan) -> None:
    parts = {sale.invoice: [len(part) for part in sale.parts] for sale in plan.sales}
    assert parts == {
        "536365": [2],
        "536366": [2],
        "536367": [1],
        "536379": [500, 1],
        "536382": [1],
        "536383": [1],
        "536384": [1],
        "536387": [2],
    }


def test_everybody_in_the_file_is_a_customer_and_nobody_is_the_guest(plan: Plan) -> None:
    assert plan.customers == ["", "12583", "17850"]


def test_the_first_days_are_those_on_which_something_was_sold(tmp_path: Path) -> None:
    file = write(tmp_path / "month.csv.gz", SMALL_MONTH)
    later = [row for row in SMALL_MONTH if row[3] == "02"]
    assert read(file, days=1).count == len(SMALL_MONTH) - len(later)
    assert read(file, days=2).count == len(SMALL_MONTH)


def test_a_file_that_is_missing_or_something_else_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(NotTheFile, match="missing"):
        read(tmp_path / "nothing.csv.gz")
    other = tmp_path / "other.csv.gz"
    other.write_bytes(b"Invoice,Price\n")
    with pytest.raises(NotTheFile, match="not gzipped"):
        read(other)
    other.write_bytes(gzip.compress(b"Invoice,Price\n"))
    with pytest.raises(NotTheFile, match="other columns"):
        read(other)
