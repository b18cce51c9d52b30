"""Handing a catalog over."""

from collections.abc import Sequence

import pytest

from application.catalog import exporting
from application.catalog.exchange import ExportedProduct
from application.catalog.exporting import Exporting
from domain.identity.user import Role
from domain.shared.errors import Forbidden
from tests.builders import NOON, a_category, a_product, a_tag, an_actor, usd
from tests.unit.shop import Shop


async def exported(shop: Shop) -> list[Sequence[ExportedProduct]]:
    staff = an_actor(Role.STAFF)
    return [batch async for batch in Exporting(shop.products).batches(staff)]


async def test_a_product_is_handed_over_without_any_id(shop: Shop) -> None:
    kitchen = a_category(name="Kitchen")
    cups, tea, pot = a_category(name="Cups", below=kitchen), a_tag(slug_text="tea"), a_tag()
    mug = a_product(
        sku_text="MUG",
        slug_text="mug",
        name="Mug",
        description="Blue",
        price=usd("7.90"),
        stock=3,
        category=cups,
        tags=[tea],
        metadata={"colour": "blue"},
    )
    await shop.keep(kitchen, cups, tea, pot, mug)
    assert await exported(shop) == [
        [
            ExportedProduct(
                sku="MUG",
                name="Mug",
                price=usd("7.90"),
                stock=3,
                slug="mug",
                description="Blue",
                category=("Kitchen", "Cups"),
                tags=("tea",),
                is_active=True,
                metadata={"colour": "blue"},
            )
        ]
    ]


async def test_inactive_products_are_handed_over_and_deleted_ones_not(shop: Shop) -> None:
    gone = a_product(sku_text="GONE")
    gone.delete(at=NOON)
    await shop.keep(gone, a_product(sku_text="OFF", is_active=False), a_product(sku_text="ON"))
    [batch] = await exported(shop)
    assert {one.sku: one.is_active for one in batch} == {"OFF": False, "ON": True}


async def test_products_are_handed_over_by_sku_a_batch_at_a_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "BATCH", 2)
    await shop.keep(*(a_product(sku_text=one) for one in ("B-1", "A", "B", "10", "9")))
    batches = await exported(shop)
    assert [[one.sku for one in batch] for batch in batches] == [["10", "9"], ["A", "B"], ["B-1"]]


async def test_a_shop_without_products_hands_none_over(shop: Shop) -> None:
    assert await exported(shop) == []


async def test_only_staff_export(shop: Shop) -> None:
    await shop.keep(a_product())
    with pytest.raises(Forbidden):
        await anext(Exporting(shop.products).batches(an_actor()))
