"""Why stock changes, and the record of each time that it did."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Self
from uuid import UUID

from domain.shared import text
from domain.shared.ids import new_id

REASON_LENGTH: Final = 500


class Cause(StrEnum):
    ORDER = "order"
    CANCELLATION = "cancellation"
    ADJUSTMENT = "adjustment"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Because:
    """What makes stock change, who wanted it, and why."""

    cause: Cause
    actor_id: UUID
    reason: str | None = None
    order_id: UUID | None = None

    def __post_init__(self) -> None:
        if self.reason is not None:
            text.text("reason", self.reason, longest=REASON_LENGTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class StockMovement:
    """One change of one product's stock; all of a product's add up to what it has."""

    id: UUID
    product_id: UUID
    change: int
    stock_after: int
    because: Because
    at: datetime

    @classmethod
    def of(
        cls, product_id: UUID, change: int, *, stock_after: int, because: Because, at: datetime
    ) -> Self:
        return cls(
            id=new_id(at),
            product_id=product_id,
            change=change,
            stock_after=stock_after,
            because=because,
            at=at,
        )
