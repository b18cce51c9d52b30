"""Being in a category, or in one below it."""

from typing import Any

from sqlalchemy import ColumnElement, Select, any_, func, select

from application.catalog.queries import InCategory
from infrastructure.sql.catalog.mapping import categories, products


def is_in(wanted: InCategory, dialect: str) -> ColumnElement[bool]:
    id = products.c.category_id
    if wanted.only:
        # An equality, so that it is known to be one category.
        return id == _root(wanted).scalar_subquery()
    if dialect == "sqlite":
        return id.in_(subtree(wanted))
    # As a list, which is made once and which no join is planned around.
    return id == any_(func.array(subtree(wanted).scalar_subquery()))


def subtree(wanted: InCategory) -> Select[Any]:
    """The ids of a category and of all that are below it."""
    root = _root(wanted)
    here = root.cte(recursive=True)
    below = select(categories.c.id).join(here, categories.c.parent_id == here.c.id)
    return select(here.union_all(below).c.id)


def _root(wanted: InCategory) -> Select[Any]:
    by_slug = wanted.id is None
    is_root = categories.c.slug == wanted.slug if by_slug else categories.c.id == wanted.id
    return select(categories.c.id).where(is_root)
