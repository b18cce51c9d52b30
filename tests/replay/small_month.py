"""A file of sales that is as untidy as the real one, and small enough to reckon by hand."""

import csv
import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.replay.invoices import COLUMNS

# Invoice, stock code, quantity, day, price, customer.
Row = tuple[str, str, str, str, str, str]

SMALL_MONTH: Final[list[Row]] = [
    ("536365", "85123A", "6", "01", "2.55", "17850.0"),
    ("536365", "85123a", "2", "01", "2.95", "17850.0"),  # in lower case, at another price
    ("536365", "POST", "1", "01", "18.0", "17850.0"),
    ("536366", "85123A", "1", "01", "2.55", "17850.0"),
    ("536366", "71053", "4", "01", "3.395", "17850.0"),  # finer than a penny
    ("536367", "71053", "3", "01", "3.395", ""),
    ("C536368", "71053", "-4", "01", "3.395", "17850.0"),  # undoes 536366 as a whole
    ("C536368", "85123A", "-1", "01", "2.55", "17850.0"),
    ("C536369", "85123A", "-1", "01", "2.55", "17850.0"),  # out of 536365
    ("C536370", "85123A", "-100", "01", "2.55", "17850.0"),
    ("C536371", "22423", "-1", "01", "12.75", "17850.0"),
    ("C536372", "85123A", "-1", "01", "2.55", ""),
    ("536373", "85123A", "-5", "01", "0.0", ""),
    ("536374", "71053", "9", "01", "0.0", ""),
    ("A536375", "B", "1", "01", "11062.06", ""),
    ("536376", "gift_0001_20", "1", "01", "16.67", ""),
    ("536377", "no code", "1", "01", "1.0", ""),
    ("536378", "71053", "two", "01", "3.395", ""),
    ("536378", "71053", "1", "01", "NaN", ""),
    ("536378", "71053", "1", "01", "-3.395", ""),
    *[("536379", "22423", "1", "01", "12.75", "12583.0")] * 501,  # longer than an order may be
    ("C536380", "71053", "-4", "01", "3.395", "17850.0"),  # undoes 536366 again
    ("C536380", "85123A", "-1", "01", "2.55", "17850.0"),  # out of 536365, once more
    ("C536381", "22423", "-501", "02", "12.75", "12583.0"),  # undoes all orders of 536379
    ("536382", "85123A", "1", "02", "2.55", "12583.0"),
    ("536383", "71053", "5", "02", "3.395", "17850.0"),
    ("536384", "71053", "2", "02", "3.395", "17850.0"),
    ("C536385", "71053", "-6", "02", "3.395", "17850.0"),  # all of 536384, the rest of 536383
    ("C536385", "71053", "-2", "02", "3.395", "17850.0"),  # one more than is left
    ("C536386", "71053", "-1", "02", "3.395", "17850.0"),  # the last of 536383
    ("536387", "22423", "2", "02", "12.75", "12583.0"),
    ("536387", "71053", "1", "02", "3.395", "12583.0"),
    ("C536387", "22423", "-1", "02", "12.75", "12583.0"),  # of what is undone next
    ("C536388", "71053", "-1", "02", "3.395", "12583.0"),  # undoes 536387 after it was paid
    ("C536388", "22423", "-2", "02", "12.75", "12583.0"),
]


def write(file: Path, rows: Iterable[Row]) -> Path:
    with gzip.open(file, "wt", encoding="utf-8", newline="") as text:
        table = csv.writer(text)
        table.writerow(COLUMNS)
        for invoice, code, quantity, day, price, customer in rows:
            date = f"2010-12-{day} 08:26:00"
            table.writerow((invoice, code, f"ITEM {code}", quantity, date, price, customer, "UK"))
    return file
