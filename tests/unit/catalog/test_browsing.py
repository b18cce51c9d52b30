import pytest

from application.catalog.browsing import Browsing
from application.catalog.queries import ProductFilter
from application.identity.actor import Actor, Unauthenticated
from application.shared.pages import PageRequest, Sort
from domain.catalog.category import CategoryId, CategoryNotFound
from domain.catalog.product import ProductId, ProductNotFound, sku
from domain.identity.user import Role
from domain.shared.errors import Forbidden
from tests.builders import NOON, a_category, a_product, an_actor, gbp
from tests.unit.shop import Shop

NOBODY = None
CUSTOMER = an_actor(Role.CUSTOMER)
STAFF = an_actor(Role.STAFF)
ADMIN = an_actor(Role.ADMIN)
EVERYBODY = [NOBODY, CUSTOMER, STAFF, ADMIN]
BY_NAME = PageRequest(sort=Sort("name"), limit=20, with_total=True)


@pytest.fixture
async def browsing(shop: Shop) -> Browsing:
    """Of a mug on sale, a cup that is not, and a pot that was deleted."""
    pot = a_product(name="Pot", sku_text="POT")
    pot.delete(at=NOON)
    await shop.keep(
        a_product(name="Mug", sku_text="MUG", price=gbp("9")),
        a_product(name="Cup", sku_text="CUP", is_active=False),
        pot,
    )
    return Browsing(shop.categories, shop.products)


def named(shop: Shop, name: str) -> ProductId:
    rows = shop.database.rows.values()
    return next(
        ProductId(id)
        for kept in rows
        for id, row in kept.items()
        if getattr(row, "name", "") == name
    )


async def listed(browsing: Browsing, actor: Actor | None, wanted: ProductFilter) -> list[str]:
    page = await browsing.list_products(actor, BY_NAME, wanted)
    assert page.total == len(page.items)
    return [product.name for product in page.items]


@pytest.mark.parametrize("actor", EVERYBODY)
async def test_everybody_sees_what_is_on_sale(
    shop: Shop, browsing: Browsing, actor: Actor | None
) -> None:
    assert (await browsing.product(actor, named(shop, "Mug"))).price == gbp("9")
    for wanted in (ProductFilter(), ProductFilter(is_active=True)):
        assert await listed(browsing, actor, wanted) == ["Mug"]


@pytest.mark.parametrize("actor", [NOBODY, CUSTOMER])
async def test_customers_do_not_learn_of_what_is_not_on_sale(
    shop: Shop, browsing: Browsing, actor: Actor | None
) -> None:
    for name in ("Cup", "Pot"):
        with pytest.raises(ProductNotFound):
            await browsing.product(actor, named(shop, name))
    hidden = ProductFilter(skus=(sku("CUP"), sku("POT")))
    assert await listed(browsing, actor, hidden) == []


@pytest.mark.parametrize(
    "wanted",
    [
        ProductFilter(is_active=False),
        ProductFilter(deleted=True),
        ProductFilter(is_active=True, deleted=True),
    ],
)
async def test_only_staff_asks_for_what_is_not_on_sale(
    browsing: Browsing, wanted: ProductFilter
) -> None:
    with pytest.raises(Unauthenticated):
        await browsing.list_products(NOBODY, BY_NAME, wanted)
    with pytest.raises(Forbidden):
        await browsing.list_products(CUSTOMER, BY_NAME, wanted)


@pytest.mark.parametrize("actor", [STAFF, ADMIN])
async def test_staff_sees_what_is_not_on_sale(shop: Shop, browsing: Browsing, actor: Actor) -> None:
    assert not (await browsing.product(actor, named(shop, "Cup"))).is_active
    assert await listed(browsing, actor, ProductFilter(is_active=False)) == ["Cup"]
    assert await listed(browsing, actor, ProductFilter(deleted=True)) == ["Pot"]
    assert await listed(browsing, actor, ProductFilter(is_active=False, deleted=True)) == []


@pytest.mark.parametrize("actor", EVERYBODY)
async def test_nobody_gets_a_deleted_product_by_its_id(
    shop: Shop, browsing: Browsing, actor: Actor | None
) -> None:
    with pytest.raises(ProductNotFound):
        await browsing.product(actor, named(shop, "Pot"))
    with pytest.raises(ProductNotFound):
        await browsing.product(actor, ProductId(a_product().id))


async def test_products_are_found_by_their_skus(browsing: Browsing) -> None:
    assert await listed(browsing, NOBODY, ProductFilter(skus=(sku("mug"), sku("pen")))) == ["Mug"]
    assert await listed(browsing, NOBODY, ProductFilter(skus=(sku("pen"),))) == []


async def test_everybody_sees_the_categories(shop: Shop, browsing: Browsing) -> None:
    mugs, cups = a_category(name="Mugs"), a_category(name="Cups")
    await shop.keep(mugs, cups)
    assert (await browsing.category(CategoryId(mugs.id))).name == "Mugs"
    page = await browsing.list_categories(BY_NAME)
    assert [category.name for category in page.items] == ["Cups", "Mugs"]
    with pytest.raises(CategoryNotFound):
        await browsing.category(CategoryId(a_category().id))


async def test_a_walk_through_the_pages_shows_each_product_once(shop: Shop) -> None:
    browsing = Browsing(shop.categories, shop.products)
    await shop.keep(*(a_product(name=f"Mug {number % 3}", stock=number) for number in range(10)))
    for sort in (Sort("name"), Sort("name", descending=True), Sort("price"), Sort("stock")):
        seen, after = list[object](), None
        while True:
            request = PageRequest(sort=sort, limit=3, after=after)
            page = await browsing.list_products(NOBODY, request, ProductFilter())
            seen += [product.id for product in page.items]
            after = page.next
            if after is None:
                break
        assert len(seen) == len({*seen}) == 10
