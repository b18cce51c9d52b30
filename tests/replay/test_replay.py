"""The first two days of a real month, and a small untidy one, bought through the real server."""

import csv
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from tests.replay.__main__ import DATABASES, ROOT, data_folder
from tests.replay.invoices import read
from tests.replay.ledger import ledger_of
from tests.replay.plan import Plan
from tests.replay.small_month import SMALL_MONTH, write

MONTH = data_folder() / "online-retail" / "2010-12.csv.gz"
NEXT_MONTH = MONTH.with_name("2011-01.csv.gz")
needs_the_real_month = pytest.mark.skipif(
    not (MONTH.is_file() and NEXT_MONTH.is_file()), reason=f"the real data is missing: {MONTH}"
)


def replay(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.replay", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )


def differences_in(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.reader(text))[1:]


@needs_the_real_month
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_first_two_days_of_the_month_add_up(database: str, tmp_path: Path) -> None:
    file = tmp_path / "differences.csv"
    ended = replay("--database", database, "--days", "2", "--differences", file)
    assert ended.returncode == 0, ended.stdout
    assert "Everything adds up" in ended.stdout
    assert "105 341.71" in ended.stdout  # what the file itself sums up to
    prices = ledger_of(MONTH, days=2).prices
    differences = differences_in(file)
    assert differences
    assert all(prices[row[2]] == Decimal(row[5]) for row in differences)


@pytest.mark.parametrize("database", DATABASES)
def test_a_small_month_with_all_that_can_be_odd_adds_up(database: str, tmp_path: Path) -> None:
    file = write(tmp_path / "month.csv.gz", SMALL_MONTH)
    ended = replay(
        *("--database", database, "--file", file, "--clients", "3"),
        *("--differences", tmp_path / "differences.csv"),
    )
    assert ended.returncode == 0, ended.stdout
    differences = differences_in(tmp_path / "differences.csv")
    assert [row[0] for row in differences] == ["2", "5", "6", "526", "527", "532", "7", "534"]
    assert sum(Decimal(row[-1]) for row in differences) == Decimal("-0.750")


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    ended = replay("--file", tmp_path / "2010-12.csv.gz")
    assert ended.returncode == 2
    assert "is missing" in ended.stdout


@needs_the_real_month
def test_of_the_whole_month_each_line_is_accounted_for_once() -> None:
    plan = Plan.of(read(MONTH))
    sold = [line.number for sale in plan.sales for line in sale.lines]
    undone = [line.number for step in plan.cancellations for line in step.lines]
    returned = [step.line.number for step in plan.returns]
    assert sorted([*sold, *undone, *returned, *plan.refused]) == list(range(1, 42_481 + 1))
    assert (len(sold), len(undone), len(returned)) == (41_315, 65, 233)
    assert Counter(plan.refused.values()) == {
        "return of what no order of that customer holds": 371,
        "price of zero": 203,
        "no goods: postage": 123,
        "quantity below zero, no return": 70,
        "no goods: manual entry": 40,
        "return without a customer": 23,
        "no goods: carriage": 10,
        "no goods: discount": 8,
        "no goods: marketplace fee": 7,
        "no goods: bank charges": 3,
        "no goods: samples": 2,
        "no goods: gift voucher": 2,
        "return of more than the orders of that customer hold": 6,
    }


@needs_the_real_month
@pytest.mark.parametrize(
    ("month", "lines", "revenue", "refunded"),
    [(MONTH, 42_481, "774238.19", "8239.67"), (NEXT_MONTH, 35_147, "592172.18", "6345.84")],
    ids=["december", "january"],
)
def test_the_ledger_of_a_whole_month_agrees_with_the_plan(
    month: Path, lines: int, revenue: str, refunded: str
) -> None:
    plan, ledger = Plan.of(read(month)), ledger_of(month)
    assert ledger.lines == lines
    assert set(ledger.sales) == {sale.invoice for sale in plan.sales}
    assert set(ledger.undone) == {step.sale.invoice for step in plan.cancellations}
    assert ledger.prices == {article.sku: article.price for article in plan.articles}
    assert [(each.line.line, *each.order, each.quantity) for each in ledger.returned] == [
        (step.line.number, taken.sale.invoice, taken.part, taken.quantity)
        for step in plan.returns
        for taken in step.taken
    ]
    assert ledger.revenue == Decimal(revenue)
    assert sum(bill.refunded for bill in ledger.bills) == Decimal(refunded)
