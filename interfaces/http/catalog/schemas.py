from typing import Annotated, Any, Final, Self, cast
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
)

from application.catalog.curation import CategoryPatch
from application.catalog.queries import CategoryDetails, CategoryName, ProductDetails
from application.catalog.stocking import Draft, ProductPatch
from domain.catalog.category import CATEGORY_NAME_LENGTH, DESCRIPTION_LENGTH
from domain.catalog.product import (
    DEAREST,
    LARGEST_STOCK,
    METADATA_KEY_LENGTH,
    METADATA_PAIRS,
    METADATA_VALUE_LENGTH,
    PRODUCT_NAME_LENGTH,
    SKU_LENGTH,
    sku,
)
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
MetadataKey = Annotated[str, Line(METADATA_KEY_LENGTH)]
MetadataValue = Annotated[str, FreeText(METADATA_VALUE_LENGTH)]


def _price(money: MoneyIn) -> MoneyIn:
    if not 0 <= money.amount.minor <= DEAREST:
        raise wrong(f"is not 0 to {DEAREST} minor units")
    return money


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


_MUG: Final[dict[str, Any]] = {
    "sku": "MUG-1",
    "name": "White mug",
    "price": {"amount": "7.99", "currency": "USD"},
    "stock": 40,
}


class CreateProduct(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [_MUG]})

    sku: SkuText
    name: ProductNameText
    price: Price
    slug: Slug | None = None
    description: Description = ""
    stock: Annotated[int, Field(ge=0, le=LARGEST_STOCK)] = 0
    category_id: Id | None = None
    is_active: bool = True
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=METADATA_PAIRS)] = Field(
        default_factory=dict
    )

    def draft(self) -> Draft:
        return Draft(**{**dict(self), "price": self.price.amount})


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
    is_active: bool = ABSENT
    metadata: dict[MetadataKey, MetadataValue | None] | None = ABSENT  # null removes a pair, or all

    def patch(self) -> ProductPatch:
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "price" in given:
            given["price"] = self.price.amount
        if given.get("description", "") is None:
            given["description"] = ""
        return cast(ProductPatch, given)


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
