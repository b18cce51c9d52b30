from collections.abc import Mapping
from typing import Any

from domain.catalog.stock import StockMovement


def movement_row(movement: StockMovement) -> Mapping[str, Any]:
    because = movement.because
    return {
        "id": movement.id,
        "product_id": movement.product_id,
        "change": movement.change,
        "stock_after": movement.stock_after,
        "cause": because.cause,
        "actor_id": because.actor_id,
        "reason": because.reason,
        "order_id": because.order_id,
        "at": movement.at,
    }
