import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from application.ordering.ports import PlacingWork
from application.shared.errors import StorageFailure
from domain.notifications.notification import MESSAGE_LENGTH, Notification
from domain.ordering.order import Order
from domain.ordering.refund import Refund
from domain.ordering.status import OrderStatus
from domain.shared.money import Money

log = logging.getLogger(__name__)


class Untold(Exception):
    """Stands in the log for a failure, whose own words may repeat what the customer was to read."""


@dataclass(frozen=True, slots=True)
class Telling:
    """
    Telling customers what happens to their orders, in the unit of work in which it happens.

    `failures` counts the notifications that were not written, by the kind of error.
    """

    failures: Counter[str] = field(default_factory=Counter)

    async def __call__(self, work: PlacingWork, order: Order, *messages: str, at: datetime) -> None:
        """Write to the order's customer; where that fails, all else stands, and it is logged."""
        await work.flush()  # what is wrong with the order itself is no failure to tell of it
        try:
            async with work.savepoint():
                for message in messages:
                    work.notifications.add(
                        Notification.write(order.customer_id, message, order_id=order.id, at=at)
                    )
        except StorageFailure:
            raise  # there is nothing left that could stand
        except Exception as error:
            kind = type(error).__name__
            self.failures[kind] += 1
            log.error(
                "a customer could not be told of their order",
                extra={"order_id": str(order.id)},
                exc_info=Untold(kind).with_traceback(error.__traceback__),
            )


def sentence(order: Order, what: str, words: str | None = None) -> str:
    """Say what happened to the order and, as far as there is room, somebody's own words on it."""
    said = f"Order {order.number} {what}"
    if words := " ".join((words or "").split()):
        said = f"{said}: {words}"
        return said if len(said) <= MESSAGE_LENGTH else f"{said[: MESSAGE_LENGTH - 1]}…"
    return f"{said}."


def placed(order: Order) -> str:
    count = sum(line.quantity for line in order.lines)
    items = "1 item" if count == 1 else f"{count} items"
    return sentence(order, f"was placed: {items}, {order.total}")


def moved(order: Order, reason: str | None = None) -> str:
    """What the order has become. Only of a cancellation is the customer told the reason."""
    if order.tracking_number is not None and order.status is OrderStatus.SHIPPED:
        return f"Order {order.number} was shipped; tracking number {order.tracking_number}"
    words = reason if order.status is OrderStatus.CANCELLED else None
    return sentence(order, f"was {order.status}", words)


def paid(order: Order, amount: Money, *, was: OrderStatus) -> Sequence[str]:
    """The payment and, where that was all, the new status."""
    left = f"; {order.due} is left to pay" if order.due.minor else ""
    payment = sentence(order, f"was paid: {amount}{left}")
    return [payment] if order.status is was else [payment, moved(order)]


def unpaid(order: Order, amount: Money) -> str:
    return sentence(order, f"was not paid: {amount} did not arrive")


def refunded(order: Order, amount: Money) -> str:
    return sentence(order, f"was refunded: {amount}")


def became(order: Order, reason: str | None, refund: Refund | None = None) -> Sequence[str]:
    """The new status and, where that was cancelled, what went back into the account."""
    status = moved(order, reason)
    return [status] if refund is None else [status, refunded(order, refund.amount)]
