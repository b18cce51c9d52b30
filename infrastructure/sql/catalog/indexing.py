"""What is kept beside the products to find them by, written in the flush that stores them."""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, delete, event, insert
from sqlalchemy.orm import Session

from domain.catalog.product import NewProduct, Product
from infrastructure.sql.catalog.mapping import product_tags
from infrastructure.sql.catalog.search import index, reindex
from infrastructure.sql.session import AggregateSession, changed

_SEARCHED: Final = ("sku", "name", "description")
_LINKED: Final = ("tags", "is_active", "deleted_at")


@event.listens_for(AggregateSession, "before_flush")
def _part(session: Session, _: object, __: object) -> None:
    # Before, because a tag may go in the same flush.
    if ids := [product.id for product in changed(session, Product, *_LINKED)]:
        links = delete(product_tags).where(product_tags.c.product_id.in_(ids))
        session.connection().execute(links)


@event.listens_for(AggregateSession, "after_flush")
def _follow(session: Session, _: object) -> None:
    new = [entity for entity in session.new if isinstance(entity, Product)]
    if new:
        index(session.connection(), new)
        _link(session.connection(), new)
    if renamed := changed(session, Product, *_SEARCHED):
        reindex(session.connection(), renamed)
    _link(session.connection(), changed(session, Product, *_LINKED))


def tag_links(products: Iterable[Product | NewProduct]) -> list[dict[str, object]]:
    return [
        {"slug": tag, "product_id": product.id, "on_sale": _is_on_sale(product)}
        for product in products
        for tag in product.tags
    ]


def _is_on_sale(product: Product | NewProduct) -> bool:
    is_deleted = isinstance(product, Product) and product.deleted_at is not None
    return product.is_active and not is_deleted


def _link(connection: Connection, products: Sequence[Product]) -> None:
    if links := tag_links(products):
        connection.execute(insert(product_tags), links)
