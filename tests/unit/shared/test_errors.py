import pytest

from application.shared.errors import InUse, StaleVersion
from domain.catalog.category import (
    CategoryCycle,
    CategoryNameTaken,
    CategoryNotFound,
    CategorySlugTaken,
)
from domain.catalog.product import ProductNotFound, ProductSlugTaken, SkuTaken
from domain.identity.user import EmailTaken, UsernameTaken, UserNotFound
from domain.ordering.order import OrderNotFound
from domain.shared.errors import (
    Conflict,
    DomainError,
    Duplicate,
    Forbidden,
    InvalidValue,
    NotFound,
    RuleBroken,
)


@pytest.mark.parametrize(
    ("taken", "field"),
    [
        (SkuTaken(), "sku"),
        (ProductSlugTaken(), "slug"),
        (CategoryNameTaken(), "name"),
        (CategorySlugTaken(), "slug"),
        (UsernameTaken(), "username"),
        (EmailTaken(), "email"),
        (Duplicate("full_name"), "full_name"),
    ],
)
def test_whoever_meets_a_taken_name_is_told_which(taken: Duplicate, field: str) -> None:
    assert isinstance(taken, Conflict)
    assert (taken.code, taken.details) == ("duplicate", {"field": field})
    assert str(taken) == f"this {field.replace('_', ' ')} is taken"


@pytest.mark.parametrize(
    ("missing", "code"),
    [
        (ProductNotFound(), "product-not-found"),
        (CategoryNotFound(), "category-not-found"),
        (OrderNotFound(), "order-not-found"),
        (UserNotFound(), "user-not-found"),
    ],
)
def test_what_is_not_there_is_named_by_its_kind(missing: NotFound, code: str) -> None:
    assert (missing.code, missing.details) == (code, {})
    assert str(missing) == f"there is no such {code.partition('-')[0]}"


@pytest.mark.parametrize(
    ("refusal", "kind", "text"),
    [
        (CategoryCycle(), Conflict, "a category cannot lie below itself"),
        (InvalidValue("name", "is blank"), RuleBroken, "name is blank"),
        (Forbidden("you may not"), Forbidden, "you may not"),
        (StaleVersion(3), DomainError, "the current version is 3"),
        (
            InUse(),
            Conflict,
            "something else refers to this, or this to something that is gone",
        ),
    ],
)
def test_a_refusal_says_in_words_what_is_wrong(
    refusal: DomainError, kind: type[DomainError], text: str
) -> None:
    assert isinstance(refusal, kind)
    assert str(refusal) == text
