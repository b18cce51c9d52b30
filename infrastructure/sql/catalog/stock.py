from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    Connection,
    Integer,
    Uuid,
    bindparam,
    event,
    func,
    inspect,
    literal,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from application.shared.errors import StaleWrite
from domain.catalog.product import Product
from domain.catalog.stock import StockMovement
from infrastructure.sql.catalog.mapping import products
from infrastructure.sql.schema import UtcDateTime
from infrastructure.sql.session import AggregateSession

_column = products.c
_ONE: Final = (
    update(products)
    .where(_column.id == bindparam("its_id"), _column.version == bindparam("its_version"))
    .values(version=_column.version + 1, stock=bindparam("left"), updated_at=bindparam("at"))
)


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


@event.listens_for(AggregateSession, "before_flush")
def _move(session: Session, _: object, __: object) -> None:
    # The session by itself would take a statement for each product, to see that its version holds.
    moved = [
        entity for entity in session.dirty if isinstance(entity, Product) and _is_moved(entity)
    ]
    if len(moved) < 2:
        return
    if _store(session.connection(), moved) != len(moved):
        raise StaleWrite
    for product in moved:
        for name, value in (
            ("version", product.version + 1),
            ("stock", product.stock),
            ("updated_at", product.updated_at),
        ):
            set_committed_value(product, name, value)


def _is_moved(product: Product) -> bool:
    """Whether its stock is another than the one that is stored, and all else is as it was."""
    before = inspect(product, raiseerr=True).committed_state
    return (
        "stock" in before
        and before["stock"] != product.stock
        and before.keys() <= {"stock", "updated_at"}
    )


def _store(connection: Connection, moved: Sequence[Product]) -> int:
    """How many of them were still in the version that is known here."""
    if connection.dialect.name == "sqlite":
        rows = [
            {
                "its_id": each.id,
                "its_version": each.version,
                "left": each.stock,
                "at": each.updated_at,
            }
            for each in moved
        ]
        return connection.execute(_ONE, rows).rowcount
    given = (
        func.unnest(
            literal([each.id for each in moved], ARRAY(Uuid)),
            literal([each.version for each in moved], ARRAY(Integer)),
            literal([each.stock for each in moved], ARRAY(Integer)),
            literal([each.updated_at for each in moved], ARRAY(UtcDateTime)),
        )
        .table_valued("id", "version", "stock", "updated_at")
        .render_derived()
    )
    at_once = (
        update(products)
        .where(_column.id == given.c.id, _column.version == given.c.version)
        .values(version=_column.version + 1, stock=given.c.stock, updated_at=given.c.updated_at)
    )
    return connection.execute(at_once).rowcount
