from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType, Self
from uuid import UUID

from domain.accounts.transfer import TransferId
from domain.catalog.stock import REASON_LENGTH
from domain.ordering.events import RefundMade
from domain.ordering.order import Order, OrderId
from domain.ordering.payment import Payment, PaymentId, PaymentMethod
from domain.shared import text
from domain.shared.aggregate import Aggregate
from domain.shared.author import Author
from domain.shared.errors import Conflict, InvalidValue
from domain.shared.ids import new_id
from domain.shared.money import Money

RefundId = NewType("RefundId", UUID)


class RefundTooLarge(Conflict):
    code = "refund-too-large"

    def __init__(self, refundable: Money) -> None:
        super().__init__(f"no more than {refundable} can go back", refundable=refundable)


@dataclass(eq=False, kw_only=True)
class RefundPart:
    """What goes back of one payment; `transfer_id` is that of store credit."""

    id: UUID
    position: int
    payment_id: PaymentId
    method: PaymentMethod
    amount: Money
    transfer_id: TransferId | None = None


@dataclass(eq=False, kw_only=True)
class Refund(Aggregate):
    """Money that went back to the customer, and never changes."""

    order_id: OrderId
    parts: list[RefundPart] = field(repr=False)
    amount: Money
    reason: str
    actor_id: UUID | None
    created_at: datetime

    @classmethod
    def of(
        cls,
        order: Order,
        payments: Sequence[Payment],
        amount: Money | None,
        reason: str,
        *,
        by: Author,
        at: datetime,
    ) -> Self:
        """
        Give the amount, or all that there is, back to these payments, the newest first.

        Raises RefundTooLarge, CurrencyMismatch or InvalidValue, and then has changed nothing. The
        transfers of store credit are the caller's to make.
        """
        if not text.text("reason", reason, longest=REASON_LENGTH).strip():
            raise InvalidValue("reason", "is blank")
        if amount is not None:
            order.check_amount(amount)
        refundable = sum((payment.refundable for payment in payments), Money(0, order.currency))
        if refundable.minor == 0 or (amount is not None and amount > refundable):
            raise RefundTooLarge(refundable)
        amount = left = amount or refundable
        parts: list[RefundPart] = []
        for payment in sorted(payments, key=lambda payment: payment.id, reverse=True):
            part = min(left, payment.refundable)
            if part.minor:
                payment.give_back(part, at=at)
                left -= part
                parts.append(
                    RefundPart(
                        id=new_id(at),
                        position=len(parts) + 1,
                        payment_id=PaymentId(payment.id),
                        method=payment.method,
                        amount=part,
                    )
                )
        refund = cls(
            id=new_id(at),
            order_id=OrderId(order.id),
            parts=parts,
            amount=amount,
            reason=reason,
            actor_id=by.user_id,
            created_at=at,
        )
        order.give_back(amount, at=at)
        order.record(
            RefundMade(refund_id=refund.id, amount=amount, reason=reason, **order.signed(by, at))
        )
        return refund
