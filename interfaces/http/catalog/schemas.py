from typing import Annotated, Any, Final, Self, cast
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from application.catalog.browsing import CategoryNode
from application.catalog.curation import CategoryPatch
from application.catalog.drafts import Draft, ProductPatch
from application.catalog.queries import (
    CategoryDetails,
    CategoryName,
    Movement,
    ProductDetails,
)
from application.catalog.revision import PatchOfOne
from domain.catalog.category import CATEGORY_NAME_LENGTH, DESCRIPTION_LENGTH
from domain.catalog.product import (
    DEAREST,
    LARGEST_STOCK,
    METADATA_KEY_LENGTH,
    METADATA_PAIRS,
    METADATA_VALUE_LENGTH,
    MOST_TAGS,
    PRODUCT_NAME_LENGTH,
    SKU_LENGTH,
    ProductId,
    sku,
)
from domain.catalog.stock import REASON_LENGTH, Cause
from domain.shared.errors import DomainError
from interfaces.http.bulk import MOST_ROWS, OR_REJECTED, OnError, RejectedRow
from interfaces.http.schemas import (
    ABSENT,
    Body,
    FreeText,
    Id,
    Line,
    MoneyIn,
    MoneyOut,
    Slug,
    Timestamp,
    View,
    checked,
    wrong,
)

SkuText = Annotated[
    str,
    Field(min_length=1, max_length=SKU_LENGTH, pattern="^[A-Za-z0-9-]+$"),
    AfterValidator(checked(sku)),
]
CategoryNameText = Annotated[str, Line(CATEGORY_NAME_LENGTH)]
ProductNameText = Annotated[str, Line(PRODUCT_NAME_LENGTH)]
Description = Annotated[str, FreeText(DESCRIPTION_LENGTH)]
Tags = Annotated[list[Slug], Field(max_length=MOST_TAGS)]
Stock = Annotated[int, Field(ge=0, le=LARGEST_STOCK)]
MetadataKey = Annotated[str, Line(METADATA_KEY_LENGTH)]
MetadataValue = Annotated[str, FreeText(METADATA_VALUE_LENGTH)]


def _price(money: MoneyIn) -> MoneyIn:
    if not 0 <= money.amount.minor <= DEAREST:
        raise wrong(f"is not 0 to {DEAREST} minor units")
    return money


def _not_nothing(change: int) -> int:
    if change == 0:
        raise wrong("is 0, which is no change")
    return change


Price = Annotated[MoneyIn, AfterValidator(_price)]


class CreateCategory(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Garden furniture"}]})

    name: CategoryNameText
    slug: Slug | None = None
    description: Description = ""
    parent_id: Id | None = None


class PatchCategory(Body):
    """A merge patch (RFC 7396): what is absent stays; a null `parent_id` makes it a root."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "For outside"}]})

    name: CategoryNameText = ABSENT
    slug: Slug = ABSENT
    description: Description | None = ABSENT
    parent_id: Id | None = ABSENT

    def patch(self) -> CategoryPatch:
        given = self.model_dump(exclude_unset=True)
        if given.get("description", "") is None:
            given["description"] = ""
        return cast(CategoryPatch, given)


class PutCategory(Body):
    """The whole category; without a slug it keeps the one that it has."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Garden furniture"}]})

    name: CategoryNameText
    slug: Slug | None = None
    description: Description = ""
    parent_id: Id | None = None

    def patch(self) -> CategoryPatch:
        given = dict(self)
        if self.slug is None:
            del given["slug"]
        return cast(CategoryPatch, given)


class CategoryOut(View):
    id: UUID
    name: str
    slug: str
    description: str
    parent_id: UUID | None
    created_at: Timestamp
    updated_at: Timestamp
    version: int

    @classmethod
    def of(cls, category: CategoryDetails) -> Self:
        return cls.model_validate(category, from_attributes=True)


class CategoryNodeOut(CategoryOut):
    """`product_count` is its own products on sale, `total_product_count` also those below."""

    product_count: int
    total_product_count: int
    children: "list[CategoryNodeOut]"

    @classmethod
    def of_node(cls, node: CategoryNode) -> Self:
        return cls(
            **dict(CategoryOut.of(node.category)),
            product_count=node.product_count,
            total_product_count=node.total_product_count,
            children=[cls.of_node(child) for child in node.children],
        )


class CategoryTree(View):
    items: list[CategoryNodeOut]


_MUG: Final[dict[str, Any]] = {
    "sku": "MUG-1",
    "name": "White mug",
    "price": {"amount": "7.99", "currency": "USD"},
    "stock": 40,
}


class PutProduct(Body):
    """The whole product but its stock, which is adjusted; without a slug it keeps its own."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{k: v for k, v in _MUG.items() if k != "stock"}]}
    )

    sku: SkuText
    name: ProductNameText
    price: Price
    slug: Slug | None = None
    description: Description = ""
    category_id: Id | None = None
    tags: Tags = Field(default_factory=list)
    is_active: bool = True
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=METADATA_PAIRS)] = Field(
        default_factory=dict
    )

    def draft(self) -> Draft:
        return Draft(**{**dict(self), "price": self.price.amount})


class CreateProduct(PutProduct):
    """Without a slug it gets the one that its name suggests."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MUG]})

    stock: Stock = 0


class PatchProduct(Body):
    """A merge patch (RFC 7396): what is absent stays. The stock is adjusted, never patched."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"price": {"amount": "6.99", "currency": "USD"}}]}
    )

    sku: SkuText = ABSENT
    name: ProductNameText = ABSENT
    price: Price = ABSENT
    slug: Slug = ABSENT
    description: Description | None = ABSENT
    category_id: Id | None = ABSENT
    tags: Tags | None = ABSENT
    is_active: bool = ABSENT
    metadata: dict[MetadataKey, MetadataValue | None] | None = ABSENT  # null removes a pair, or all

    def patch(self) -> ProductPatch:
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "price" in given:
            given["price"] = self.price.amount
        if given.get("description", "") is None:
            given["description"] = ""
        if given.get("tags", ()) is None:
            given["tags"] = ()
        return cast(ProductPatch, given)


class PatchOneProduct(PatchProduct):
    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}]})

    id: Id

    def of_one(self) -> PatchOfOne:
        patch = self.patch()
        id = patch.pop("id")  # type: ignore[typeddict-item]
        return ProductId(id), patch


class ChangeStock(Body):
    """Either a `change` or, in `set`, what was counted, perhaps if there were `expected` before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"change": -3, "reason": "damaged"},
                {"set": 40, "expected": 37, "reason": "count"},
            ]
        }
    )

    change: (
        Annotated[int, Field(ge=-LARGEST_STOCK, le=LARGEST_STOCK), AfterValidator(_not_nothing)]
        | None
    ) = None
    counted: Annotated[Stock | None, Field(alias="set")] = None
    expected: Stock | None = None
    reason: Annotated[str, FreeText(REASON_LENGTH)] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.change is None) is (self.counted is None):
            raise wrong("has to have either change or set")
        if self.change is not None and self.expected is not None:
            raise wrong("expected goes with set")
        return self


class MovementOut(View):
    id: UUID
    product_id: UUID
    change: int
    stock_after: int
    cause: Cause
    actor_id: UUID
    reason: str | None
    order_id: UUID | None
    at: Timestamp

    @classmethod
    def of(cls, movement: Movement) -> Self:
        return cls.model_validate(movement, from_attributes=True)


class CategoryNameOut(View):
    id: UUID
    name: str
    slug: str

    @classmethod
    def of(cls, category: CategoryName) -> Self:
        return cls(id=category.id, name=category.name, slug=category.slug)


class ProductOut(View):
    id: UUID
    sku: str
    slug: str
    name: str
    description: str
    price: MoneyOut
    stock: int
    is_active: bool
    category_id: UUID | None
    category: CategoryNameOut | None
    tags: list[str]
    metadata: dict[str, str]
    created_at: Timestamp
    updated_at: Timestamp
    deleted_at: Timestamp | None
    version: int

    @classmethod
    def of(cls, product: ProductDetails) -> Self:
        return cls(
            id=product.id,
            sku=product.sku,
            slug=product.slug,
            name=product.name,
            description=product.description,
            price=MoneyOut.of(product.price),
            stock=product.stock,
            is_active=product.is_active,
            category_id=product.category_id,
            category=CategoryNameOut.of(product.category) if product.category else None,
            tags=[*product.tags],
            metadata=dict(product.metadata),
            created_at=product.created_at,
            updated_at=product.updated_at,
            deleted_at=product.deleted_at,
            version=product.version,
        )


class BulkCreate(Body):
    """Up to 1000 products; `abort` keeps all or none, `skip` keeps the good ones."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_MUG], "on_error": "skip"}]}
    )

    items: Annotated[
        list[Annotated[CreateProduct, OR_REJECTED]], Field(min_length=1, max_length=MOST_ROWS)
    ]
    on_error: OnError = "abort"

    def drafts(self) -> list[Draft | DomainError]:
        rows = cast(list[CreateProduct | RejectedRow], self.items)
        return [row.draft() if isinstance(row, CreateProduct) else row for row in rows]


class BulkPatch(Body):
    """Up to 1000 patches, each with the `id` of its product."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"items": [{"id": "019c0000-0000-7000-8000-000000000000", "is_active": False}]}
            ]
        }
    )

    items: Annotated[
        list[Annotated[PatchOneProduct, OR_REJECTED]], Field(min_length=1, max_length=MOST_ROWS)
    ]
    on_error: OnError = "abort"

    def patches(self) -> list[PatchOfOne | DomainError]:
        rows = cast(list[PatchOneProduct | RejectedRow], self.items)
        return [row.of_one() if isinstance(row, PatchOneProduct) else row for row in rows]
