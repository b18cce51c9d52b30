from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Self, TypedDict, cast

from application.catalog.ports import CatalogWork
from domain.catalog.category import Category, CategoryId, CategoryNotFound
from domain.catalog.product import NewProduct, Product, ProductChanges, Sku
from domain.catalog.stock import Because
from domain.catalog.tag import TagNotFound
from domain.shared.ids import new_id
from domain.shared.money import Money
from domain.shared.text import Slug, numbered, slug_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A product that is to be; without a slug it gets the one that its name suggests."""

    sku: Sku
    name: str
    price: Money
    slug: Slug | None = None
    description: str = ""
    stock: int = 0
    category_id: CategoryId | None = None
    tags: Sequence[Slug] = ()
    is_active: bool = True
    metadata: Mapping[str, str] | None = None

    @property
    def suggested_slugs(self) -> tuple[Slug, Slug]:
        return suggested_slugs(self.name, self.sku)

    def new(self, taken: Set[Slug], because: Because, *, at: datetime) -> NewProduct:
        """The product that comes of it, its slug none of those that are taken."""
        return NewProduct.of(
            sku=self.sku,
            slug=self.slug or free_slug(self.suggested_slugs, taken, at=at),
            name=self.name,
            price=self.price,
            description=self.description,
            stock=self.stock,
            is_active=self.is_active,
            category_id=self.category_id,
            tags=self.tags,
            metadata=self.metadata,
            because=because,
            at=at,
        )


def free_slug(suggested: Sequence[Slug], taken: Set[Slug], *, at: datetime) -> Slug:
    """The first that is not taken, or else the last of them with something at its end."""
    for slug in suggested:
        if slug not in taken:
            return slug
    return numbered(suggested[-1], new_id(at).hex[-8:])


def suggested_slugs(name: str, sku: Sku) -> tuple[Slug, Slug]:
    """What the name suggests, and what it suggests together with the sku."""
    plain = slug_of(name, otherwise=sku.lower())
    return plain, numbered(plain, sku.lower())


class ProductPatch(TypedDict, total=False):
    """A merge patch: what is absent stays. In `metadata` None removes a pair or, alone, all."""

    sku: Sku
    slug: Slug
    name: str
    description: str
    price: Money
    category_id: CategoryId | None
    tags: Sequence[Slug]
    is_active: bool
    metadata: Mapping[str, str | None] | None


def changes(product: Product, patch: ProductPatch) -> ProductChanges:
    """What the patch makes of the product."""
    if "metadata" not in patch:
        return cast(ProductChanges, patch)
    merged = patch["metadata"]
    pairs = {} if merged is None else {**product.metadata, **merged}
    kept = {name: value for name, value in pairs.items() if value is not None}
    return cast(ProductChanges, {**patch, "metadata": kept})


@dataclass(frozen=True, slots=True)
class Known:
    """What drafts and patches may refer to, read once for all of them, and the slugs in use."""

    categories: Mapping[CategoryId, Category]
    tags: Set[Slug]
    slugs: set[Slug]

    @classmethod
    async def to(cls, work: CatalogWork, drafts: Sequence[Draft]) -> Self:
        suggested = {
            slug for draft in drafts if draft.slug is None for slug in draft.suggested_slugs
        }
        slugs = await work.products.taken(suggested) if suggested else set()
        tags = {slug for draft in drafts for slug in draft.tags}
        return await cls._read(work, {draft.category_id for draft in drafts}, tags, slugs)

    @classmethod
    async def to_patches(
        cls, work: CatalogWork, patches: Sequence[ProductPatch], products: Iterable[Product]
    ) -> Self:
        """What the patches refer to, and what the products do that they are for."""
        ids = {patch.get("category_id") for patch in patches}
        tags = {slug for patch in patches for slug in patch.get("tags", ())}
        return await cls._read(work, ids | {one.category_id for one in products}, tags, set())

    @classmethod
    async def _read(
        cls,
        work: CatalogWork,
        ids: Iterable[CategoryId | None],
        tags: Set[Slug],
        slugs: set[Slug],
    ) -> Self:
        wanted = {id for id in ids if id is not None}
        categories = await work.categories.find_all(wanted) if wanted else []
        return cls(
            {CategoryId(category.id): category for category in categories},
            await work.tags.known(tags) if tags else frozenset(),
            slugs,
        )

    def category(self, id: CategoryId | None) -> Category | None:
        """The category that is referred to, or CategoryNotFound."""
        if id is None:
            return None
        if id not in self.categories:
            raise CategoryNotFound
        return self.categories[id]

    def check_tags(self, slugs: Iterable[Slug]) -> None:
        """TagNotFound, naming them, if some of the tags are not there."""
        if missing := {*slugs} - self.tags:
            raise TagNotFound(*missing)


async def category_of(work: CatalogWork, product: Product) -> Category | None:
    """The category that a stored product is in."""
    known = await Known.to_patches(work, [], [product])
    return known.category(product.category_id)
