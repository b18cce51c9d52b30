from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final
from uuid import UUID

from application.catalog.exchange import CategoryPath
from domain.catalog.category import (
    Category,
    CategoryId,
    CategoryNameTaken,
    CategoryNotFound,
    CategorySlugTaken,
)
from domain.catalog.product import (
    NewProduct,
    Product,
    ProductId,
    ProductNotFound,
    ProductSlugTaken,
    Sku,
    SkuTaken,
)
from domain.catalog.tag import Tag, TagId, TagNotFound, TagSlugTaken, take_off
from domain.shared.text import Slug
from infrastructure.event_log import Journal
from infrastructure.memory.database import MemorySession, Reference, Unique

UNIQUES: Final = (
    Unique(Category, "uq_categories_slug", attrgetter("slug"), CategorySlugTaken),
    Unique(
        Category,
        "uq_categories_parent_id_name",
        attrgetter("parent_id", "name"),
        CategoryNameTaken,
    ),
    Unique(Tag, "uq_tags_slug", attrgetter("slug"), TagSlugTaken),
    Unique(
        Product,
        "uq_products_sku",
        lambda product: None if product.deleted_at else product.sku,
        SkuTaken,
    ),
    Unique(
        Product,
        "uq_products_slug",
        lambda product: None if product.deleted_at else product.slug,
        ProductSlugTaken,
    ),
)

REFERENCES: Final = (
    Reference(Category, Category, lambda category: [category.parent_id]),
    Reference(Product, Category, lambda product: [product.category_id]),
    Reference(Product, Tag, attrgetter("tags"), attrgetter("slug")),
)


class MemoryCategories:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def get(self, id: CategoryId, *, lock: bool = False) -> Category:
        category = await self._session.find(Category, id, lock=lock)
        if category is None:
            raise CategoryNotFound
        return category

    async def find_all(self, ids: Iterable[CategoryId]) -> Sequence[Category]:
        wanted = {*ids}
        return await self._session.select(Category, lambda category: category.id in wanted)

    async def lock_all(self, ids: Iterable[CategoryId]) -> None:
        await self._session.lock_all(Category, ids)

    async def path(self, id: CategoryId) -> Sequence[CategoryId]:
        path = []
        above: CategoryId | None = id
        while above is not None:
            path.append(above)
            above = (await self.get(above)).parent_id
        return path

    async def height(self, id: CategoryId) -> int:
        below = await self._session.select(Category, lambda found: found.parent_id == id)
        return 1 + max([await self.height(CategoryId(child.id)) for child in below], default=0)

    async def children(self, id: CategoryId) -> Sequence[Category]:
        below = await self._session.select(Category, lambda found: found.parent_id == id)
        locked = await self._session.lock_all(Category, (child.id for child in below))
        return [child for child in locked if child.parent_id == id]

    async def paths(self) -> Mapping[CategoryPath, CategoryId]:
        everything = await self._session.select(Category, lambda _: True)
        found: dict[UUID | None, Category] = {category.id: category for category in everything}
        return {path_of(category, found.get): CategoryId(category.id) for category in everything}

    async def taken(self, slugs: Iterable[Slug]) -> set[Slug]:
        wanted = {*slugs}
        found = await self._session.select(Category, lambda category: category.slug in wanted)
        return {category.slug for category in found}

    def add(self, category: Category) -> None:
        self._session.add(category)

    async def remove(self, category: Category) -> None:
        self._session.remove(category)


class MemoryTags:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def get(self, id: TagId, *, lock: bool = False) -> Tag:
        tag = await self._session.find(Tag, id, lock=lock)
        if tag is None:
            raise TagNotFound
        return tag

    async def known(self, slugs: Iterable[Slug]) -> set[Slug]:
        wanted = {*slugs}
        return {tag.slug for tag in await self._session.select(Tag, lambda t: t.slug in wanted)}

    def add(self, tag: Tag) -> None:
        self._session.add(tag)

    async def remove(self, tag: Tag) -> None:
        self._session.remove(tag)


class MemoryProducts:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def get(self, id: ProductId, *, lock: bool = False) -> Product:
        product = await self._session.find(Product, id, lock=lock)
        if product is None or product.deleted_at:
            raise ProductNotFound
        return product

    async def lock_all(
        self, ids: Iterable[ProductId], skus: Iterable[Sku] = ()
    ) -> Sequence[Product]:
        asked, wanted = {*ids}, {*skus}

        def bears_one(product: Product) -> bool:
            return product.sku in wanted and not product.deleted_at

        by_sku = await self._session.select(Product, bears_one)
        locked = await self._session.lock_all(
            Product, [*asked, *(ProductId(product.id) for product in by_sku)]
        )
        # Who had to wait for a lock looks again.
        return [product for product in locked if product.id in asked or bears_one(product)]

    async def taken(self, slugs: Iterable[Slug]) -> set[Slug]:
        wanted = {*slugs}
        found = await self._session.select(
            Product, lambda product: product.slug in wanted and not product.deleted_at
        )
        return {product.slug for product in found}

    async def leave(self, category_id: CategoryId, *, at: datetime) -> None:
        inside = await self._session.select(
            Product, lambda product: product.category_id == category_id
        )
        for product in await self._session.lock_all(Product, (product.id for product in inside)):
            if product.category_id == category_id:
                product.assign({"category_id": None, "updated_at": at})
        await self._session.flush()

    async def untag(self, slug: Slug, *, at: datetime) -> None:
        tagged = await self._session.select(Product, lambda product: slug in product.tags)
        take_off(
            slug, await self._session.lock_all(Product, (product.id for product in tagged)), at=at
        )
        await self._session.flush()

    def add(self, product: Product) -> None:
        self._session.add(product)

    async def reindex(self) -> int:
        # Nothing is kept to search in.
        return len(await self._session.select(Product, lambda _: True))

    async def add_many(self, products: Iterable[NewProduct]) -> None:
        made = [Product.create(new) for new in products]
        for product in made:
            self._session.add(product)
        await self._session.flush()
        journal = Journal()
        journal.gather(made)
        self._session.write(journal)
        self._session.forget(made)


def path_of(category: Category, find: Callable[[UUID | None], Category | None]) -> CategoryPath:
    """The names that lead to it."""
    above = find(category.parent_id)
    return (*path_of(above, find), category.name) if above else (category.name,)
