"""
Where the words of a product stand in SQLite's index, which it can read in the order of its rowids
alone: so these are given out in the order of the ids, with room between for what comes late.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Uuid, bindparam, text

ROOM: Final = 1 << 20  # halved by whatever comes late to the same place

_BELOW: Final = text(
    "SELECT rowid FROM product_search WHERE product_id < :id ORDER BY rowid DESC LIMIT 1"
).bindparams(bindparam("id", type_=Uuid))
_ABOVE: Final = text("SELECT rowid FROM product_search WHERE rowid > :below ORDER BY rowid LIMIT 1")
_LAST: Final = text("SELECT rowid FROM product_search ORDER BY rowid DESC LIMIT 1")
_AGAIN: Final = text(
    "INSERT INTO product_search (rowid, product_id, name, description)"
    " SELECT :last + :room * row_number() OVER (ORDER BY product_id),"
    " product_id, name, description FROM product_search"
)
_BEFORE: Final = text("DELETE FROM product_search WHERE rowid <= :last")


def places(connection: Connection, ids: Sequence[UUID]) -> Sequence[int]:
    """A rowid for each of these new ids, which come in their order."""
    found: list[int] = []
    place, above = 0, None
    for id in ids:
        if not found or above is not None:
            below = connection.scalar(_BELOW, {"id": id}) or 0
            above = connection.scalar(_ABOVE, {"below": below})
            place = max(place, below)
        room = ROOM if above is None else (above - place) // 2
        if not room:
            _spread(connection)
            return places(connection, ids)
        place += room
        found.append(place)
    return found


def _spread(connection: Connection) -> None:
    """Make room between all of them again."""
    last = connection.scalar(_LAST)
    connection.execute(_AGAIN, {"last": last, "room": ROOM})
    connection.execute(_BEFORE, {"last": last})
