from collections.abc import Generator, Mapping, Sequence
from typing import Any, BinaryIO

from application.catalog.exchange import CategoryPath, CategoryRow, RefusedRow
from domain.catalog.category import CATEGORY_NAME_LENGTH, DEEPEST, DESCRIPTION_LENGTH
from domain.shared import text
from domain.shared.errors import InvalidValue
from interfaces.exchange.members import of_text, of_texts
from interfaces.exchange.objects import objects
from interfaces.exchange.rows import rows


def category_rows(file: BinaryIO) -> Generator[CategoryRow | RefusedRow, None, None]:
    """The rows of an NDJSON file, each a category by its path, or why they are none."""
    records = objects(file, known=("path", "slug", "description"), required=("path",))
    return rows(records, _row, field="path", key=lambda row: "\n".join(row.path))


def path(field: str, names: Sequence[str]) -> CategoryPath:
    """The names of a category and those above it, from the root down."""
    if not 1 <= len(names) <= DEEPEST:
        raise InvalidValue(field, f"is not 1 to {DEEPEST} names")
    return tuple(text.line(field, name, longest=CATEGORY_NAME_LENGTH) for name in names)


def _row(number: int, members: Mapping[str, Any]) -> CategoryRow:
    return CategoryRow(
        number=number,
        path=path("path", of_texts("path", members["path"])),
        slug=text.slug(of_text("slug", members["slug"])) if "slug" in members else None,
        description=(
            text.text(
                "description",
                of_text("description", members["description"]),
                longest=DESCRIPTION_LENGTH,
            )
            if "description" in members
            else None
        ),
    )
