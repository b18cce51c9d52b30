import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NewType, Self, TypedDict
from uuid import UUID

from domain.catalog.category import DESCRIPTION_LENGTH, CategoryId
from domain.catalog.events import (
    ProductChanged,
    ProductCreated,
    ProductDeleted,
    ProductRestored,
    ProductStockAdjusted,
)
from domain.catalog.stock import Because, StockMovement
from domain.shared import text
from domain.shared.aggregate import Aggregate
from domain.shared.errors import Conflict, Duplicate, InvalidValue, NotFound
from domain.shared.ids import new_id
from domain.shared.money import Money
from domain.shared.text import Slug

ProductId = NewType("ProductId", UUID)
Sku = NewType("Sku", str)

SKU_LENGTH: Final = 50
PRODUCT_NAME_LENGTH: Final = 200
DEAREST: Final = 999_999_999_999  # minor units
LARGEST_STOCK: Final = 2_147_483_647
MOST_TAGS: Final = 50
METADATA_PAIRS: Final = 50
METADATA_KEY_LENGTH: Final = 40
METADATA_VALUE_LENGTH: Final = 500

_SKU = re.compile(r"[A-Za-z0-9-]{1,50}")


class ProductNotFound(NotFound):
    code = "product-not-found"

    def __init__(self, **which: object) -> None:
        super().__init__("there is no such product", **which)


class SkuTaken(Duplicate):
    def __init__(self) -> None:
        super().__init__("sku")


class ProductSlugTaken(Duplicate):
    def __init__(self) -> None:
        super().__init__("slug")


class StockTooLarge(Conflict):
    code = "stock-too-large"

    def __init__(self) -> None:
        super().__init__(f"no stock exceeds {LARGEST_STOCK}", largest=LARGEST_STOCK)


class StockChanged(Conflict):
    """Somebody counted on a stock that is not the one there is."""

    code = "stock-changed"

    def __init__(self, expected: int, stock: int) -> None:
        super().__init__(f"the stock is {stock}, not {expected}", expected=expected, stock=stock)


@dataclass(frozen=True, slots=True)
class Shortage:
    """How many of one product were asked for, and how many there are."""

    product_id: ProductId
    sku: Sku
    requested: int
    available: int


class InsufficientStock(Conflict):
    """`details["shortages"]` holds a Shortage for every product that is short."""

    code = "insufficient-stock"

    def __init__(self, *shortages: Shortage) -> None:
        skus = ", ".join(shortage.sku for shortage in shortages)
        super().__init__(f"not enough in stock of {skus}", shortages=shortages)


class ProductChanges(TypedDict, total=False):
    """New values by field; what is absent stays."""

    sku: Sku
    slug: Slug
    name: str
    description: str
    price: Money
    category_id: CategoryId | None
    tags: tuple[Slug, ...]
    is_active: bool
    metadata: Mapping[str, str]


def sku(value: str) -> Sku:
    """A stock keeping unit in its one spelling, which is upper case."""
    if not _SKU.fullmatch(value):
        raise InvalidValue("sku", f"is not 1 to {SKU_LENGTH} of A-Z, a-z, 0-9 and -")
    return Sku(value.upper())


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProduct:
    """A product as it begins. Of many at once nothing else need ever be made than these."""

    id: ProductId
    sku: Sku
    slug: Slug
    name: str
    description: str
    price: Money
    stock: int
    is_active: bool
    category_id: CategoryId | None
    tags: tuple[Slug, ...]
    metadata: Mapping[str, str]
    because: Because
    at: datetime

    @classmethod
    def of(
        cls,
        *,
        sku: Sku,
        slug: Slug,
        name: str,
        price: Money,
        description: str = "",
        stock: int = 0,
        is_active: bool = True,
        category_id: CategoryId | None = None,
        tags: Iterable[Slug] = (),
        metadata: Mapping[str, str] | None = None,
        because: Because,
        at: datetime,
    ) -> Self:
        """Checked; it is `because` of this that its first stock moves in."""
        return cls(
            id=ProductId(new_id(at)),
            sku=sku,
            slug=slug,
            name=checked_name(name),
            description=checked_description(description),
            price=checked_price(price),
            stock=checked_stock(stock),
            is_active=is_active,
            category_id=category_id,
            tags=checked_tags(tags),
            metadata=checked_metadata(metadata or {}),
            because=because,
            at=at,
        )

    def created(self) -> ProductCreated:
        """The first event of its history."""
        return ProductCreated(
            product_id=self.id, sku=self.sku, price=self.price, stock=self.stock, at=self.at
        )

    def movement(self) -> StockMovement | None:
        """What moves its first stock in, if it has any."""
        if not self.stock:
            return None
        return StockMovement.of(
            self.id, self.stock, stock_after=self.stock, because=self.because, at=self.at
        )


@dataclass(eq=False, kw_only=True)
class Product(Aggregate):
    """
    Something to sell, with its price and how many are left.

    A deleted product stays for the orders that hold it, but its sku and slug are free again.
    """

    sku: Sku
    slug: Slug
    name: str
    description: str
    price: Money
    stock: int
    is_active: bool
    category_id: CategoryId | None
    tags: tuple[Slug, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None

    @classmethod
    def create(cls, new: NewProduct) -> Self:
        """What becomes of a new product: it can change, and tells of it."""
        product = cls(
            id=new.id,
            sku=new.sku,
            slug=new.slug,
            name=new.name,
            description=new.description,
            price=new.price,
            stock=new.stock,
            is_active=new.is_active,
            category_id=new.category_id,
            tags=new.tags,
            metadata=new.metadata,
            created_at=new.at,
            updated_at=new.at,
        )
        product.record(new.created())
        product._keep(new.movement())
        return product

    def revise(self, changes: ProductChanges, *, at: datetime) -> None:
        """Change what is given and differs."""
        wanted: ProductChanges = {**changes}
        if "name" in wanted:
            wanted["name"] = checked_name(wanted["name"])
        if "description" in wanted:
            wanted["description"] = checked_description(wanted["description"])
        if "price" in wanted:
            wanted["price"] = checked_price(wanted["price"])
        if "tags" in wanted:
            wanted["tags"] = checked_tags(wanted["tags"])
        if "metadata" in wanted:
            wanted["metadata"] = checked_metadata(wanted["metadata"])
        if changed := self.assign(wanted):
            self.updated_at = at
            self.record(
                ProductChanged(
                    product_id=self.id, sku=self.sku, fields=changed, price=self.price, at=at
                )
            )

    def shortage(self, quantity: int) -> Shortage | None:
        """What would be missing if somebody took so many."""
        if quantity <= self.stock:
            return None
        return Shortage(ProductId(self.id), self.sku, quantity, self.stock)

    def take(self, quantity: int, because: Because, *, at: datetime) -> None:
        if shortage := self.shortage(quantity):
            raise InsufficientStock(shortage)
        self._move(-quantity, because, at=at)

    def put_back(self, quantity: int, because: Because, *, at: datetime) -> None:
        if self.stock + quantity > LARGEST_STOCK:
            raise StockTooLarge
        self._move(quantity, because, at=at)

    def adjust(self, change: int, because: Because, *, at: datetime) -> None:
        """So many more, or less."""
        if change < 0:
            self.take(-change, because, at=at)
        else:
            self.put_back(change, because, at=at)
        self._tell_adjusted(change, because, at=at)

    def count(
        self, stock: int, because: Because, *, expected: int | None = None, at: datetime
    ) -> None:
        """So many there are, whoever counted; StockChanged if `expected` is not what there was."""
        if expected is not None and expected != self.stock:
            raise StockChanged(expected, self.stock)
        change = checked_stock(stock) - self.stock
        self._move(change, because, at=at)
        self._tell_adjusted(change, because, at=at)

    def delete(self, *, at: datetime) -> None:
        self.deleted_at = self.updated_at = at
        self.record(ProductDeleted(product_id=self.id, sku=self.sku, at=at))

    def restore(self, *, at: datetime) -> None:
        if self.deleted_at is not None:
            self.deleted_at = None
            self.updated_at = at
            self.record(ProductRestored(product_id=self.id, sku=self.sku, at=at))

    def release_movements(self) -> list[StockMovement]:
        """Every movement of the stock since the last time this was asked."""
        released: list[StockMovement] = self.__dict__.pop("_movements", [])
        return released

    def _move(self, change: int, because: Because, *, at: datetime) -> None:
        if change:
            self.stock += change
            self.updated_at = at
            self._keep(
                StockMovement.of(self.id, change, stock_after=self.stock, because=because, at=at)
            )

    def _keep(self, movement: StockMovement | None) -> None:
        if movement:
            self.__dict__.setdefault("_movements", []).append(movement)

    def _tell_adjusted(self, change: int, because: Because, *, at: datetime) -> None:
        if change:
            self.record(
                ProductStockAdjusted(
                    product_id=self.id,
                    sku=self.sku,
                    change=change,
                    stock=self.stock,
                    cause=because.cause,
                    reason=because.reason,
                    actor_id=because.actor_id,
                    at=at,
                )
            )


def checked_name(value: str) -> str:
    return text.line("name", value, longest=PRODUCT_NAME_LENGTH)


def checked_description(value: str) -> str:
    return text.text("description", value, longest=DESCRIPTION_LENGTH)


def checked_price(value: Money) -> Money:
    if not 0 <= value.minor <= DEAREST:
        highest = Money(DEAREST, value.currency)
        raise InvalidValue("price", f"is not 0 to {highest.amount}")
    return value


def checked_stock(value: int) -> int:
    if not 0 <= value <= LARGEST_STOCK:
        raise InvalidValue("stock", f"is not 0 to {LARGEST_STOCK}")
    return value


def checked_tags(slugs: Iterable[Slug]) -> tuple[Slug, ...]:
    """Each once, in the order of the alphabet."""
    tags = tuple(sorted({*slugs}))
    if len(tags) > MOST_TAGS:
        raise InvalidValue("tags", f"are more than {MOST_TAGS}")
    return tags


def checked_metadata(pairs: Mapping[str, str]) -> Mapping[str, str]:
    if len(pairs) > METADATA_PAIRS:
        raise InvalidValue("metadata", f"has more than {METADATA_PAIRS} pairs")
    return {
        text.line("metadata", key, longest=METADATA_KEY_LENGTH): text.text(
            "metadata", value, longest=METADATA_VALUE_LENGTH
        )
        for key, value in pairs.items()
    }
