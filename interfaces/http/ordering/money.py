"""What goes in and out about the money of an order, and about what happened to it."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field

from application.ordering.receipts import PaymentDetails, RefundDetails
from application.ordering.timeline import Happening
from domain.catalog.stock import REASON_LENGTH
from domain.ordering.payment import REFERENCE_LENGTH
from domain.ordering.refund import Refund, RefundPart
from domain.shared.money import Money
from interfaces.http.ordering.schemas import StatusText
from interfaces.http.schemas import (
    Body,
    FreeText,
    Id,
    Line,
    MoneyIn,
    MoneyOut,
    Timestamp,
    View,
)

MethodText = Literal["store_credit", "external"]


class PayOrder(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"method": "store_credit"}]})

    method: MethodText
    amount: MoneyIn | None = Field(default=None, description="all that is due, where absent")
    reference: Annotated[str, Line(REFERENCE_LENGTH)] | None = None

    def sum(self) -> Money | None:
        return self.amount.amount if self.amount else None


class RefundOrder(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"amount": {"amount": "7.99", "currency": "USD"}, "reason": "damaged"}]
        }
    )

    payment_id: Id | None = Field(default=None, description="the newest first, where absent")
    amount: MoneyIn | None = Field(default=None, description="all that can go back, where absent")
    reason: Annotated[str, FreeText(REASON_LENGTH), Field(min_length=1)]

    def sum(self) -> Money | None:
        return self.amount.amount if self.amount else None


class RefundOfPayment(View):
    id: UUID
    amount: MoneyOut = Field(description="what of the refund is of this payment")
    reason: str
    created_at: Timestamp

    @classmethod
    def of(cls, refund: RefundDetails) -> Self:
        return cls(
            id=refund.id,
            amount=MoneyOut.of(refund.amount),
            reason=refund.reason,
            created_at=refund.created_at,
        )


class PaymentOut(View):
    id: UUID
    order_id: UUID
    method: MethodText
    status: Literal["pending", "succeeded", "failed"]
    amount: MoneyOut
    refunded: MoneyOut
    due_back: MoneyOut = Field(
        description="what has to be sent back outside, because the order is cancelled"
    )
    reference: str | None
    failure: str | None
    created_at: Timestamp
    updated_at: Timestamp
    version: int
    refunds: list[RefundOfPayment]

    @classmethod
    def of(cls, payment: PaymentDetails) -> Self:
        return cls(
            id=payment.id,
            order_id=payment.order_id,
            method=payment.method.value,
            status=payment.status.value,
            amount=MoneyOut.of(payment.amount),
            refunded=MoneyOut.of(payment.refunded),
            due_back=MoneyOut.of(payment.due_back),
            reference=payment.reference,
            failure=payment.failure,
            created_at=payment.created_at,
            updated_at=payment.updated_at,
            version=payment.version,
            refunds=[RefundOfPayment.of(refund) for refund in payment.refunds],
        )


class RefundPartOut(View):
    payment_id: UUID
    method: MethodText
    amount: MoneyOut
    transfer_id: UUID | None = Field(description="of store credit; null for what went outside")

    @classmethod
    def of(cls, part: RefundPart) -> Self:
        return cls(
            payment_id=part.payment_id,
            method=part.method.value,
            amount=MoneyOut.of(part.amount),
            transfer_id=part.transfer_id,
        )


class RefundOut(View):
    id: UUID
    order_id: UUID
    payment_id: UUID | None = Field(description="null where it is of several; see `parts`")
    amount: MoneyOut
    reason: str
    parts: list[RefundPartOut]
    created_at: Timestamp
    version: int

    @classmethod
    def of(cls, refund: Refund) -> Self:
        return cls(
            id=refund.id,
            order_id=refund.order_id,
            payment_id=refund.parts[0].payment_id if len(refund.parts) == 1 else None,
            amount=MoneyOut.of(refund.amount),
            reason=refund.reason,
            parts=[RefundPartOut.of(part) for part in refund.parts],
            created_at=refund.created_at,
            version=refund.version,
        )


class HappeningOut(View):
    """`from` and `to` are statuses, where it was one that changed."""

    at: Timestamp
    type: str = Field(examples=["order.shipped"])
    previous: StatusText | None = Field(serialization_alias="from")
    to: StatusText | None
    actor_id: UUID = Field(description="the nil UUID for whoever operates the shop's machine")
    reason: str | None
    request_id: str | None

    @classmethod
    def of(cls, happening: Happening) -> Self:
        return cls(
            at=happening.at,
            type=happening.type,
            previous=happening.previous.value if happening.previous else None,
            to=happening.to.value if happening.to else None,
            actor_id=happening.actor_id,
            reason=happening.reason,
            request_id=happening.request_id,
        )
