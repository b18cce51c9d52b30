from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from domain.shared.errors import Conflict


class OrderStatus(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"

    @property
    def next(self) -> tuple["OrderStatus", ...]:
        """Where an order may go from here; nowhere from a final status."""
        return TRANSITIONS[self]

    def to(self, target: "OrderStatus") -> "OrderStatus":
        """The target, if the table leads there."""
        if target not in self.next:
            raise InvalidTransition(self, target)
        return target


TRANSITIONS: Final[Mapping[OrderStatus, tuple[OrderStatus, ...]]] = {
    OrderStatus.PENDING: (OrderStatus.CONFIRMED, OrderStatus.CANCELLED),
    OrderStatus.CONFIRMED: (OrderStatus.SHIPPED, OrderStatus.CANCELLED),
    OrderStatus.SHIPPED: (OrderStatus.DELIVERED,),
    OrderStatus.DELIVERED: (),
    OrderStatus.CANCELLED: (),
}


class InvalidTransition(Conflict):
    """`details`: `from`, `to`, and `allowed`, the statuses that can be reached from here."""

    code = "invalid-transition"

    def __init__(self, now: OrderStatus, target: OrderStatus) -> None:
        super().__init__(
            f"a {now} order cannot become {target}",
            **{"from": now, "to": target, "allowed": list(now.next)},
        )
