"""Whether what a load was answered is what is in the tables."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

# Written so that PostgreSQL and SQLite read it alike. Numbers of a whole shop.
COUNTED: Final = """
SELECT (SELECT count(*) FROM orders) AS orders,
       (SELECT count(*) FROM outbox WHERE type = 'order.placed') AS told,
       (SELECT count(*) FROM idempotency_keys) AS keys,
       (SELECT count(*) FROM order_lines) AS lines,
       (SELECT coalesce(sum(quantity), 0) FROM order_lines) AS ordered,
       (SELECT coalesce(sum(total_minor), 0) FROM orders) AS owed,
       (SELECT coalesce(sum(quantity * unit_price_minor), 0) FROM order_lines) AS priced,
       (SELECT count(*) FROM stock_movements WHERE cause = 'order') AS movements,
       (SELECT -coalesce(sum(change), 0) FROM stock_movements WHERE cause = 'order') AS moved,
       (SELECT coalesce(sum(stock), 0) FROM products) AS stock,
       (SELECT count(*) FROM products WHERE stock < 0) AS oversold
"""
NOTIFICATIONS: Final = "SELECT count(*) FROM notifications"

# Products whose stock is not what their movements add up to.
ASTRAY: Final = """
SELECT count(*) FROM products LEFT JOIN
    (SELECT product_id, sum(change) AS moved FROM stock_movements GROUP BY product_id) AS moves
    ON moves.product_id = products.id
WHERE products.stock <> coalesce(moves.moved, 0)
"""


@dataclass(frozen=True, slots=True)
class Books:
    """Sums over the tables at one moment."""

    orders: int
    told: int
    keys: int
    lines: int
    ordered: int
    owed: int
    priced: int
    movements: int
    moved: int
    stock: int
    oversold: int
    notifications: int | None = None  # None where there is no table of them

    @classmethod
    def of(cls, row: Mapping[str, Any], notifications: int | None) -> Self:
        return cls(**{name: int(value) for name, value in row.items()}, notifications=notifications)

    def since(self, before: Self) -> Self:
        """What has come since then; `oversold` as it is now."""
        earlier = asdict(before)
        grown: dict[str, Any] = {
            name: None if value is None else value - earlier[name]
            for name, value in asdict(self).items()
        }
        return type(self)(**{**grown, "oversold": self.oversold})


def wrong_books(
    before: Books, after: Books, *, created: int, lines: int, with_keys: bool = True
) -> Iterator[str]:
    """What does not add up when so many orders of so many lines each were answered with a 201."""
    new = after.since(before)
    for what, number, expected in (
        ("orders", new.orders, created),
        ("events of orders", new.told, created),
        ("lines", new.lines, created * lines),
        ("movements", new.movements, new.lines),
        ("moved", new.moved, new.ordered),
        ("taken from stock", -new.stock, new.ordered),
        ("totals", new.owed, new.priced),
        ("oversold products", new.oversold, 0),
        ("idempotency keys", new.keys, created if with_keys else new.keys),
    ):
        if number != expected:
            yield f"{what}: {number} instead of {expected}"
    if new.notifications not in (None, created):
        yield f"notifications: {new.notifications} instead of {created}"
