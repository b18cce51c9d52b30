from collections.abc import Mapping, Sequence
from uuid import UUID

from application.catalog.exchange import CategoryPath
from infrastructure.sql.pages import AnyRow


def paths(rows: Sequence[AnyRow]) -> Mapping[UUID, CategoryPath]:
    """The path of each category, of rows that hold `id`, `parent_id` and `name` of all of them."""
    found: dict[UUID, CategoryPath] = {}
    by_id = {row.id: row for row in rows}

    def path(id: UUID) -> CategoryPath:
        if id not in found:
            row = by_id[id]
            above = path(row.parent_id) if row.parent_id else ()
            found[id] = (*above, row.name)
        return found[id]

    for id in by_id:
        path(id)
    return found
