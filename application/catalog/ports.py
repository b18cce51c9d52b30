from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from application.catalog.exchange import CategoryPath
from application.identity.ports import IdentityWork
from domain.catalog.category import Category, CategoryId
from domain.catalog.product import NewProduct, Product, ProductId, Sku
from domain.catalog.tag import Tag, TagId
from domain.shared.text import Slug


class Categories(Protocol):
    """The tree of the catalog."""

    async def get(self, id: CategoryId, *, lock: bool = False) -> Category:
        """The category, or CategoryNotFound."""

    async def find_all(self, ids: Iterable[CategoryId]) -> Sequence[Category]:
        """Those of them that are there."""

    async def lock_all(self, ids: Iterable[CategoryId]) -> None:
        """Lock those of them that are there, in the order of their ids."""

    async def path(self, id: CategoryId) -> Sequence[CategoryId]:
        """The ids from this category, included, up to its root, or CategoryNotFound."""

    async def height(self, id: CategoryId) -> int:
        """How many levels the category has: 1 for one without children."""

    async def children(self, id: CategoryId) -> Sequence[Category]:
        """The categories right below, locked in the order of their ids."""

    async def paths(self) -> Mapping[CategoryPath, CategoryId]:
        """Every category by the names that lead to it."""

    async def taken(self, slugs: Iterable[Slug]) -> set[Slug]:
        """Those slugs that a category has."""

    def add(self, category: Category) -> None: ...

    async def remove(self, category: Category) -> None: ...


class Tags(Protocol):
    """The words that things are found by."""

    async def get(self, id: TagId, *, lock: bool = False) -> Tag:
        """The tag, or TagNotFound."""

    async def known(self, slugs: Iterable[Slug]) -> set[Slug]:
        """Those of them that are there."""

    def add(self, tag: Tag) -> None: ...

    async def remove(self, tag: Tag) -> None: ...


class Products(Protocol):
    """Everything that is or was for sale."""

    async def get(self, id: ProductId, *, lock: bool = False) -> Product:
        """The product, or ProductNotFound; a deleted one is not found."""

    async def lock_all(
        self, ids: Iterable[ProductId], skus: Iterable[Sku] = ()
    ) -> Sequence[Product]:
        """
        Those of them that are there, locked in the order of their ids, in one go.

        By id also the deleted ones; a sku belongs to a product that is not deleted.
        """

    async def taken(self, slugs: Iterable[Slug]) -> set[Slug]:
        """Those slugs that a product has."""

    async def leave(self, category_id: CategoryId, *, at: datetime) -> None:
        """Take every product out of this category."""

    async def untag(self, slug: Slug, *, at: datetime) -> None:
        """Take this tag off every product."""

    def add(self, product: Product) -> None: ...

    async def reindex(self) -> int:
        """Make all products findable anew, and tell how many there are."""

    async def add_many(self, products: Iterable[NewProduct]) -> None:
        """
        Store many new products at once, with their events and movements.

        Another thread may ask for them, one after the other while the first are stored.
        """


class CatalogWork(IdentityWork, Protocol):
    categories: Categories
    tags: Tags
    products: Products
