from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from application.catalog.queries import CategoryDetails, ProductDetails, ProductFilter
from application.shared.pages import Page, PageRequest
from domain.catalog.category import (
    Category,
    CategoryId,
    CategoryNameTaken,
    CategoryNotFound,
    CategorySlugTaken,
)
from domain.catalog.product import (
    Product,
    ProductId,
    ProductNotFound,
    ProductSlugTaken,
    Sku,
    SkuTaken,
)
from domain.shared.text import Slug
from infrastructure.memory.database import MemoryDatabase, MemorySession, Reference, Unique
from infrastructure.memory.pages import page

UNIQUES: Final = (
    Unique(Category, "uq_categories_slug", attrgetter("slug"), CategorySlugTaken),
    Unique(
        Category,
        "uq_categories_parent_id_name",
        attrgetter("parent_id", "name"),
        CategoryNameTaken,
    ),
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
)


class MemoryCategories:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def get(self, id: CategoryId, *, lock: bool = False) -> Category:
        category = await self._session.find(Category, id, lock=lock)
        if category is None:
            raise CategoryNotFound
        return category

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

    async def taken(self, slugs: Iterable[Slug]) -> set[Slug]:
        wanted = {*slugs}
        found = await self._session.select(Category, lambda category: category.slug in wanted)
        return {category.slug for category in found}

    def add(self, category: Category) -> None:
        self._session.add(category)

    async def remove(self, category: Category) -> None:
        self._session.remove(category)


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

    def add(self, product: Product) -> None:
        self._session.add(product)


_CATEGORY_SORTS: Final[dict[str, Callable[[CategoryDetails], Any]]] = {
    "name": attrgetter("name"),
    "created_at": attrgetter("created_at"),
}
_PRODUCT_SORTS: Final[dict[str, Callable[[ProductDetails], Any]]] = {
    "name": attrgetter("name"),
    "price": attrgetter("price.minor"),
    "created_at": attrgetter("created_at"),
    "updated_at": attrgetter("updated_at"),
    "stock": attrgetter("stock"),
}


class MemoryCategoryQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def find(self, id: CategoryId) -> CategoryDetails | None:
        category = self._database.get(Category, id)
        return CategoryDetails.of(category) if category else None

    async def page(self, request: PageRequest) -> Page[CategoryDetails]:
        return page(
            map(CategoryDetails.of, self._database.all(Category)),
            request,
            sorts=_CATEGORY_SORTS,
            id=attrgetter("id"),
        )


class MemoryProductQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def find(self, id: ProductId) -> ProductDetails | None:
        product = self._database.get(Product, id)
        return self._details(product) if product else None

    async def page(self, request: PageRequest, wanted: ProductFilter) -> Page[ProductDetails]:
        def fits(product: Product) -> bool:
            return (
                (product.deleted_at is not None) is wanted.deleted
                and (not wanted.skus or product.sku in wanted.skus)
                and wanted.is_active in (None, product.is_active)
            )

        return page(
            map(self._details, filter(fits, self._database.all(Product))),
            request,
            sorts=_PRODUCT_SORTS,
            id=attrgetter("id"),
        )

    def _details(self, product: Product) -> ProductDetails:
        return ProductDetails.of(product, self._database.get(Category, product.category_id))
