from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NewType, Self
from uuid import UUID

from domain.accounts.transfer import TransferId
from domain.ordering.events import PaymentAsked, PaymentDueBack, PaymentFailed, PaymentReceived
from domain.ordering.order import Order, OrderId
from domain.ordering.status import OrderStatus
from domain.shared import text
from domain.shared.aggregate import Aggregate
from domain.shared.author import Author
from domain.shared.errors import Conflict, NotFound
from domain.shared.ids import new_id
from domain.shared.money import Money

PaymentId = NewType("PaymentId", UUID)

REFERENCE_LENGTH: Final = 200
FAILURE_LENGTH: Final = 500
PAID_IN_FULL: Final = "paid in full"


class PaymentNotFound(NotFound):
    code = "payment-not-found"

    def __init__(self) -> None:
        super().__init__("the order has no such payment")


class PaymentDecided(Conflict):
    code = "payment-decided"

    def __init__(self) -> None:
        super().__init__("it is known already what became of this payment")


class PaymentMethod(StrEnum):
    STORE_CREDIT = "store_credit"
    EXTERNAL = "external"


class PaymentStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(eq=False, kw_only=True)
class Payment(Aggregate):
    """
    Money for an order: asked for, then received or failed, once.

    What a pending one is to cover nobody else can pay. `due_back` is what came from outside for an
    order that is cancelled, as long as it has not been refunded.
    """

    order_id: OrderId
    method: PaymentMethod
    status: PaymentStatus
    amount: Money
    refunded: Money
    due_back: Money
    reference: str | None
    failure: str | None
    transfer_id: TransferId | None
    actor_id: UUID | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(
        cls,
        order: Order,
        amount: Money | None,
        method: PaymentMethod,
        *,
        reference: str | None = None,
        by: Author,
        at: datetime,
    ) -> Self:
        """A pending payment of the amount, or of all that is due; see Order.claim for refusals."""
        if reference is not None:
            text.line("reference", reference, longest=REFERENCE_LENGTH)
        claimed = order.claim(amount, at=at)
        return cls(
            id=new_id(at),
            order_id=OrderId(order.id),
            method=method,
            status=PaymentStatus.PENDING,
            amount=claimed,
            refunded=Money(0, claimed.currency),
            due_back=Money(0, claimed.currency),
            reference=reference,
            failure=None,
            transfer_id=None,
            actor_id=by.user_id,
            created_at=at,
            updated_at=at,
        )

    @property
    def refundable(self) -> Money:
        if self.status is PaymentStatus.SUCCEEDED:
            return self.amount - self.refunded
        return Money(0, self.amount.currency)

    def ask(self, order: Order, *, by: Author, at: datetime) -> None:
        """Tell that somebody else is to decide about it."""
        order.record(PaymentAsked(**self._told(order, by, at)))

    def receive(
        self,
        order: Order,
        *,
        transfer_id: TransferId | None = None,
        reference: str | None = None,
        by: Author,
        at: datetime,
    ) -> None:
        """
        The money is here. What is paid in full is confirmed; what is cancelled, due back.

        Whatever name the provider has for it, nothing may keep the money from being seen.
        """
        self._decide(PaymentStatus.SUCCEEDED, at)
        self.transfer_id = transfer_id
        if reference is not None:
            self.reference = text.cut(reference, longest=REFERENCE_LENGTH)
        order.receive(self.amount, at=at)
        order.record(PaymentReceived(**self._told(order, by, at)))
        if order.status is OrderStatus.CANCELLED:
            self.owe(order, by=by, at=at)
        elif order.status is OrderStatus.PENDING and order.is_settled:
            order.confirm(PAID_IN_FULL, by=by, at=at)

    def fail(self, order: Order, reason: str, *, by: Author, at: datetime) -> None:
        """The money does not come, and what it was to cover is due again."""
        self._decide(PaymentStatus.FAILED, at)
        self.failure = text.cut(reason, longest=FAILURE_LENGTH)
        order.unclaim(self.amount, at=at)
        order.record(PaymentFailed(reason=self.failure, **self._told(order, by, at)))

    def owe(self, order: Order, *, by: Author, at: datetime) -> None:
        """All that is left of it has to go back to where it came from, outside."""
        self.due_back = self.refundable
        self.updated_at = at
        if self.due_back.minor:
            due_back = self._told(order, by, at) | {"amount": self.due_back}
            order.record(PaymentDueBack(**due_back))

    def give_back(self, amount: Money, *, at: datetime) -> None:
        """So much of it, at most what is refundable, has gone back."""
        self.refunded += amount
        self.due_back = min(self.due_back, self.refundable)
        self.updated_at = at

    def _decide(self, status: PaymentStatus, at: datetime) -> None:
        if self.status is not PaymentStatus.PENDING:
            raise PaymentDecided
        self.status = status
        self.updated_at = at

    def _told(self, order: Order, by: Author, at: datetime) -> dict[str, Any]:
        return {
            "payment_id": self.id,
            "method": self.method.value,
            "amount": self.amount,
            **order.signed(by, at),
        }
