"""What a catalog is made of when it comes from, or goes to, a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from domain.catalog.product import Sku
from domain.shared.errors import DomainError
from domain.shared.money import Money
from domain.shared.text import Slug

CategoryPath = tuple[str, ...]  # the names from the root down; empty for no category


class ProductValues(TypedDict, total=False):
    """What a row says about its product; what is absent stays, or is the default of a new one."""

    name: str
    price: Money
    slug: Slug
    description: str
    stock: int
    category: CategoryPath
    tags: tuple[Slug, ...]
    is_active: bool
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ProductRow:
    """`number` is where the row stands in its file, as a spreadsheet or an editor counts."""

    number: int
    sku: Sku
    values: ProductValues


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryRow:
    number: int
    path: CategoryPath
    slug: Slug | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that was not taken, and why; `refusal.details["field"]` names what is to blame."""

    number: int
    refusal: DomainError


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedProduct:
    """A product as another shop can take it: nothing in it is an id."""

    sku: str
    name: str
    price: Money
    stock: int
    slug: str
    description: str
    category: CategoryPath
    tags: tuple[str, ...]
    is_active: bool
    metadata: Mapping[str, str]
