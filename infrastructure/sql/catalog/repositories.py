from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from application.catalog.exchange import CategoryPath
from domain.catalog.category import Category, CategoryId, CategoryNotFound
from domain.catalog.product import NewProduct, Product, ProductId, ProductNotFound, Sku
from domain.catalog.tag import Tag, TagId, TagNotFound, take_off
from domain.shared.text import Slug
from infrastructure.sql.catalog.mapping import categories, product_tags, products, tags
from infrastructure.sql.catalog.paths import paths
from infrastructure.sql.catalog.storing import index_everything, insert_products
from infrastructure.sql.session import found, locking, one_of


class SqlCategories:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, id: CategoryId, *, lock: bool = False) -> Category:
        category = await found(
            self._session, select(Category).where(categories.c.id == id), lock=lock
        )
        if category is None:
            raise CategoryNotFound
        return category

    async def find_all(self, ids: Iterable[CategoryId]) -> Sequence[Category]:
        return (
            await self._session.scalars(select(Category).where(categories.c.id.in_({*ids})))
        ).all()

    async def lock_all(self, ids: Iterable[CategoryId]) -> None:
        statement = select(Category).where(categories.c.id.in_({*ids})).order_by(categories.c.id)
        await self._session.scalars(locking(statement))

    async def path(self, id: CategoryId) -> Sequence[CategoryId]:
        here = (
            select(categories.c.id, categories.c.parent_id, literal(0).label("distance"))
            .where(categories.c.id == id)
            .cte(recursive=True)
        )
        upwards = here.union_all(
            select(categories.c.id, categories.c.parent_id, here.c.distance + 1).join(
                here, categories.c.id == here.c.parent_id
            )
        )
        ids = await self._session.scalars(select(upwards.c.id).order_by(upwards.c.distance))
        path = [CategoryId(id) for id in ids]
        if not path:
            raise CategoryNotFound
        return path

    async def height(self, id: CategoryId) -> int:
        here = (
            select(categories.c.id, literal(1).label("level"))
            .where(categories.c.id == id)
            .cte(recursive=True)
        )
        downwards = here.union_all(
            select(categories.c.id, here.c.level + 1).join(
                here, categories.c.parent_id == here.c.id
            )
        )
        return await self._session.scalar(select(func.max(downwards.c.level))) or 0

    async def children(self, id: CategoryId) -> Sequence[Category]:
        statement = select(Category).where(categories.c.parent_id == id).order_by(categories.c.id)
        return (await self._session.scalars(locking(statement))).all()

    async def paths(self) -> Mapping[CategoryPath, CategoryId]:
        rows = await self._session.execute(
            select(categories.c.id, categories.c.parent_id, categories.c.name)
        )
        return {path: CategoryId(id) for id, path in paths(rows.all()).items()}

    async def taken(self, slugs: Iterable[Slug]) -> set[Slug]:
        has_one = one_of(self._session, categories.c.slug, slugs)
        statement = select(categories.c.slug).where(has_one)
        return {*await self._session.scalars(statement)}

    def add(self, category: Category) -> None:
        self._session.add(category)

    async def remove(self, category: Category) -> None:
        await self._session.delete(category)


class SqlTags:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, id: TagId, *, lock: bool = False) -> Tag:
        tag = await found(self._session, select(Tag).where(tags.c.id == id), lock=lock)
        if tag is None:
            raise TagNotFound
        return tag

    async def known(self, slugs: Iterable[Slug]) -> set[Slug]:
        return {*await self._session.scalars(select(tags.c.slug).where(tags.c.slug.in_({*slugs})))}

    def add(self, tag: Tag) -> None:
        self._session.add(tag)

    async def remove(self, tag: Tag) -> None:
        await self._session.delete(tag)


class SqlProducts:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, id: ProductId, *, lock: bool = False) -> Product:
        statement = select(Product).where(products.c.id == id, products.c.deleted_at.is_(None))
        product = await found(self._session, statement, lock=lock)
        if product is None:
            raise ProductNotFound
        return product

    async def lock_all(
        self, ids: Iterable[ProductId], skus: Iterable[Sku] = ()
    ) -> Sequence[Product]:
        by_id: ColumnElement[bool] = products.c.id.in_({*ids})
        has_one = one_of(self._session, products.c.sku, skus)
        by_sku = and_(has_one, products.c.deleted_at.is_(None))
        statement = select(Product).where(or_(by_id, by_sku)).order_by(products.c.id)
        return (await self._session.scalars(locking(statement))).all()

    async def taken(self, slugs: Iterable[Slug]) -> set[Slug]:
        statement = select(products.c.slug).where(
            one_of(self._session, products.c.slug, slugs), products.c.deleted_at.is_(None)
        )
        return {*await self._session.scalars(statement)}

    async def leave(self, category_id: CategoryId, *, at: datetime) -> None:
        inside = products.c.category_id == category_id
        # In the order of their ids first, as everybody locks; an UPDATE has no order.
        ids = locking(select(products.c.id).where(inside).order_by(products.c.id))
        await self._session.execute(ids)
        await self._session.execute(
            update(Product)
            .where(inside)
            .values(category_id=None, updated_at=at, version=Product.version + 1)
            .execution_options(synchronize_session="fetch")
        )

    async def untag(self, slug: Slug, *, at: datetime) -> None:
        links = select(product_tags.c.product_id).where(product_tags.c.slug == slug)
        # In the order of their ids, as everybody locks.
        tagged = select(Product).where(products.c.id.in_(links)).order_by(products.c.id)
        take_off(slug, await self._session.scalars(locking(tagged)), at=at)
        await self._session.flush()

    def add(self, product: Product) -> None:
        self._session.add(product)

    async def reindex(self) -> int:
        return await index_everything(self._session)

    async def add_many(self, products: Iterable[NewProduct]) -> None:
        await insert_products(self._session, products)
