from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from domain.ordering.payment import Payment, PaymentMethod, PaymentStatus
from domain.shared.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundDetails:
    """What a refund gave back of one payment."""

    id: UUID
    amount: Money
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDetails:
    id: UUID
    order_id: UUID
    method: PaymentMethod
    status: PaymentStatus
    amount: Money
    refunded: Money
    due_back: Money
    reference: str | None
    failure: str | None
    created_at: datetime
    updated_at: datetime
    version: int
    refunds: Sequence[RefundDetails]

    @classmethod
    def of(cls, payment: Payment, refunds: Sequence[RefundDetails] = ()) -> Self:
        return cls(
            id=payment.id,
            order_id=payment.order_id,
            method=payment.method,
            status=payment.status,
            amount=payment.amount,
            refunded=payment.refunded,
            due_back=payment.due_back,
            reference=payment.reference,
            failure=payment.failure,
            created_at=payment.created_at,
            updated_at=payment.updated_at,
            version=payment.version,
            refunds=refunds,
        )
