from typing import Any, Final

from sqlalchemy import (
    Select,
    String,
    case,
    except_,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from application.auditing import checks
from domain.catalog.category import DEEPEST
from infrastructure.sql.auditing.rules import Rule, written
from infrastructure.sql.catalog.mapping import (
    ON_SALE,
    categories,
    product_tags,
    products,
    stock_movements,
)
from infrastructure.sql.catalog.search import product_search


def _stock() -> Select[Any]:
    sums = (
        select(stock_movements.c.product_id, func.sum(stock_movements.c.change).label("moved"))
        .group_by(stock_movements.c.product_id)
        .subquery()
    )
    moved = func.coalesce(sums.c.moved, 0)
    return (
        select(products.c.id, products.c.stock, moved.label("moved"))
        .outerjoin_from(products, sums, sums.c.product_id == products.c.id)
        .where(products.c.stock != moved)
    )


def _categories() -> Select[Any]:
    """Those that cannot be reached from a root; below what is missing begins a tree as well."""
    above, below = categories.alias(), categories.alias()
    reached = (
        select(categories.c.id, literal(1).label("depth"))
        .outerjoin_from(categories, above, above.c.id == categories.c.parent_id)
        .where(above.c.id.is_(None))
        .cte(recursive=True)
    )
    reached = reached.union_all(
        select(below.c.id, reached.c.depth + 1).join_from(
            below, reached, below.c.parent_id == reached.c.id
        )
    )
    return (
        select(categories.c.id)
        .outerjoin_from(categories, reached, reached.c.id == categories.c.id)
        .where(or_(reached.c.id.is_(None), reached.c.depth > DEEPEST))
    )


def _words() -> Select[Any]:
    # As sets, for there is no index of SQLite's virtual table to look an id up in.
    own = select(products.c.id)
    found = select(product_search.c.product_id.label("id"))
    differing = union_all(
        select(except_(own, found).subquery()), select(except_(found, own).subquery())
    ).subquery()
    return select(differing.c.id, literal("words").label("what"))


def _tags() -> Select[Any]:
    # Nothing in a slug has to be escaped, so each stands in the list as it is, between quotes.
    listed = written(products.c.tags)
    quotes = func.length(listed) - func.length(func.replace(listed, '"', ""))
    quoted = literal('"', String) + product_tags.c.slug + '"'
    misled = case((product_tags.c.on_sale != ON_SALE, 1), else_=null())
    known = case((func.replace(listed, quoted, "") != listed, 1), else_=null())
    return (
        select(products.c.id, literal("tags").label("what"))
        .outerjoin_from(products, product_tags, product_tags.c.product_id == products.c.id)
        .group_by(products.c.id)
        .having(
            or_(
                func.count(product_tags.c.slug) * 2 != func.max(quotes),
                func.count(product_tags.c.slug) != func.count(known),
                func.count(misled) > 0,
            )
        )
    )


RULES: Final = (
    Rule.over(products, checks.STOCK, _stock()),
    Rule.over(
        products,
        checks.SHORTAGE,
        select(products.c.id, products.c.stock).where(products.c.stock < 0),
    ),
    Rule.over(categories, checks.CATEGORIES, _categories()),
    Rule.over(products, checks.INDEX, _words()),
    Rule.over(product_tags, checks.INDEX, _tags()),
)
