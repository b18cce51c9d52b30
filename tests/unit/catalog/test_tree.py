from collections.abc import Sequence
from typing import Any

import pytest

from application.catalog.browsing import Browsing, CategoryNode
from application.catalog.queries import CategoryDetails, InCategory, ProductFilter
from application.shared.pages import PageRequest, Sort
from domain.catalog.category import Category, CategoryId, CategoryNotFound
from domain.catalog.product import ProductNotFound, sku
from domain.identity.user import Role
from domain.shared.errors import Forbidden
from domain.shared.text import Slug
from tests.builders import NOON, a_category, a_product, an_actor
from tests.unit.shop import Shop

NOBODY = None
CUSTOMER = an_actor(Role.CUSTOMER)
STAFF = an_actor(Role.STAFF)
BY_NAME = PageRequest(sort=Sort("name"), limit=20, with_total=True)


@pytest.fixture
def browsing(shop: Shop) -> Browsing:
    return Browsing(shop.categories, shop.products)


@pytest.fixture
async def garden(shop: Shop) -> Category:
    """The middle one of Home > Garden > Tools, Garden > Plants, and of Books beside them."""
    home = a_category(name="Home", slug_text="home")
    garden = a_category(name="Garden", slug_text="garden", below=home)
    tools, plants = (a_category(name=name, below=garden) for name in ("Tools", "Plants"))
    books = a_category(name="Books", slug_text="books")
    deleted = a_product(category=tools)
    deleted.delete(at=NOON)
    await shop.keep(
        home,
        garden,
        tools,
        plants,
        books,
        a_product(category=home),
        a_product(category=tools),
        a_product(category=tools, name="Spade"),
        a_product(category=plants),
        a_product(category=plants, is_active=False, name="Rose"),
        a_product(),
        deleted,
    )
    return garden


Drawn = dict[str, tuple[int, int, Any]]


def drawn(forest: Sequence[CategoryNode]) -> Drawn:
    """Each name with its own products, those of its subtree, and what is below it."""
    return {
        node.category.name: (node.product_count, node.total_product_count, drawn(node.children))
        for node in forest
    }


PLANTS_AND_TOOLS: Drawn = {"Plants": (1, 1, {}), "Tools": (2, 2, {})}


@pytest.mark.usefixtures("garden")
async def test_the_tree_shows_siblings_by_name_and_counts_what_is_on_sale(
    browsing: Browsing,
) -> None:
    forest = await browsing.tree()
    assert drawn(forest) == {
        "Books": (0, 0, {}),
        "Home": (1, 4, {"Garden": (0, 3, PLANTS_AND_TOOLS)}),
    }
    assert [node.category.name for node in forest] == ["Books", "Home"]
    assert [node.category.name for node in forest[1].children[0].children] == ["Plants", "Tools"]


async def test_a_branch_is_shown_by_its_id_or_its_slug(
    browsing: Browsing, garden: Category
) -> None:
    for root in (garden.id, "garden"):
        [node] = await browsing.tree(root=root)
        assert node.category == CategoryDetails.of(garden)
        assert drawn([node]) == {"Garden": (0, 3, PLANTS_AND_TOOLS)}


@pytest.mark.usefixtures("garden")
async def test_a_tree_that_is_cut_off_counts_what_is_below_all_the_same(
    browsing: Browsing,
) -> None:
    books: Drawn = {"Books": (0, 0, {})}
    assert drawn(await browsing.tree(depth=1)) == {**books, "Home": (1, 4, {})}
    assert drawn(await browsing.tree(depth=2)) == {
        **books,
        "Home": (1, 4, {"Garden": (0, 3, {})}),
    }
    assert await browsing.tree(depth=3) == await browsing.tree()
    assert drawn(await browsing.tree(root="garden", depth=1)) == {"Garden": (0, 3, {})}


@pytest.mark.usefixtures("garden")
async def test_there_is_no_tree_below_what_is_not_there(browsing: Browsing) -> None:
    for root in (a_category().id, "none", "Garden", ""):
        with pytest.raises(CategoryNotFound):
            await browsing.tree(root=root)


async def test_an_empty_shop_has_an_empty_tree(browsing: Browsing) -> None:
    assert await browsing.tree() == []


async def test_the_products_of_a_category_are_listed_if_it_is_there(
    shop: Shop, browsing: Browsing, garden: Category
) -> None:
    async def listed(id: CategoryId) -> list[str]:
        wanted = ProductFilter(category=InCategory(id=id))
        page = await browsing.list_products_in(NOBODY, id, BY_NAME, wanted)
        return [product.name for product in page.items]

    assert len(await listed(CategoryId(garden.id))) == 3
    [books] = [one for one in shop.database.all(Category) if one.slug == "books"]
    assert await listed(CategoryId(books.id)) == []
    with pytest.raises(CategoryNotFound):
        await listed(CategoryId(a_category().id))


async def test_a_product_is_found_by_its_sku_or_slug_if_it_is_for_sale(
    shop: Shop, browsing: Browsing
) -> None:
    cup = a_product(sku_text="CUP", slug_text="cup", is_active=False)
    pot = a_product(sku_text="POT", slug_text="pot")
    pot.delete(at=NOON)
    mug = a_product(sku_text="MUG", slug_text="mug")
    await shop.keep(mug, cup, pot)
    for actor in (NOBODY, CUSTOMER, STAFF):
        assert (await browsing.product_by_sku(actor, sku("mug"))).id == mug.id
        assert (await browsing.product_by_slug(actor, Slug("mug"))).id == mug.id
    for name in ("CUP", "POT", "PEN"):
        for actor in (NOBODY, CUSTOMER):
            with pytest.raises(ProductNotFound):
                await browsing.product_by_sku(actor, sku(name))
            with pytest.raises(ProductNotFound):
                await browsing.product_by_slug(actor, Slug(name.lower()))
    assert (await browsing.product_by_sku(STAFF, sku("CUP"))).id == cup.id
    assert (await browsing.product_by_slug(STAFF, Slug("cup"))).id == cup.id
    with pytest.raises(ProductNotFound):
        await browsing.product_by_sku(STAFF, sku("POT"))
    with pytest.raises(ProductNotFound):
        await browsing.product_by_slug(STAFF, Slug("pot"))


async def test_customers_do_not_search_for_what_is_not_on_sale(
    shop: Shop, browsing: Browsing
) -> None:
    await shop.keep(a_product(name="Red mug"), a_product(name="Red cup", is_active=False))

    async def found(wanted: ProductFilter) -> list[str]:
        page = await browsing.list_products(CUSTOMER, BY_NAME, wanted)
        return [product.name for product in page.items]

    assert await found(ProductFilter(words=("red",))) == ["Red mug"]
    with pytest.raises(Forbidden):
        await found(ProductFilter(words=("red",), is_active=False))
