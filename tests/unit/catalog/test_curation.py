import pytest

from application.catalog.curation import CategoryPatch, Curation
from application.catalog.queries import CategoryDetails
from application.shared.errors import StaleVersion
from domain.catalog.category import (
    DEEPEST,
    Category,
    CategoryCycle,
    CategoryId,
    CategoryNameTaken,
    CategoryNotFound,
    CategorySlugTaken,
    CategoryTooDeep,
)
from domain.identity.user import Role
from domain.shared.errors import Forbidden, InvalidValue
from domain.shared.text import Slug, slug
from tests.builders import NOON, Ticking, a_category, a_product, an_actor
from tests.unit.shop import Shop

STAFF = an_actor(Role.STAFF)


@pytest.fixture
def curation(shop: Shop) -> Curation:
    return Curation(shop.begin, Ticking())


def id_of(category: Category | CategoryDetails) -> CategoryId:
    return CategoryId(category.id)


async def a_branch(shop: Shop, *names: str) -> list[Category]:
    """Stored categories, each below the one before it."""
    branch: list[Category] = []
    for name in names:
        branch.append(a_category(name=name, below=branch[-1] if branch else None))
    await shop.keep(*branch)
    return branch


async def test_a_name_suggests_the_slug(shop: Shop, curation: Curation) -> None:
    made = await curation.create(STAFF, name="Home & Garden", description="Outside")
    assert (made.name, made.slug, made.parent_id) == ("Home & Garden", "home-garden", None)
    assert await shop.categories.find(id_of(made)) == made
    assert shop.events == ["category.created"]


async def test_a_slug_that_was_chosen_is_kept(shop: Shop, curation: Curation) -> None:
    assert (await curation.create(STAFF, name="Mugs", slug=Slug("cups"))).slug == "cups"


async def test_a_suggested_slug_that_is_taken_is_made_different(
    shop: Shop, curation: Curation
) -> None:
    await shop.keep(a_category(name="Old mugs", slug_text="mugs"))
    made = await curation.create(STAFF, name="Mugs")
    assert made.slug.startswith("mugs-")
    assert slug(made.slug) == made.slug


async def test_a_chosen_slug_that_is_taken_is_refused(shop: Shop, curation: Curation) -> None:
    await shop.keep(a_category(slug_text="mugs"))
    with pytest.raises(CategorySlugTaken):
        await curation.create(STAFF, name="Mugs", slug=Slug("mugs"))
    assert shop.count(Category) == 1


async def test_a_name_without_latin_letters_gets_a_slug_as_well(curation: Curation) -> None:
    made = [await curation.create(STAFF, name=name) for name in ("茶", "🫖")]
    assert all(slug(category.slug).startswith("category-") for category in made)
    assert made[0].slug != made[1].slug


async def test_siblings_have_different_names(shop: Shop, curation: Curation) -> None:
    [home, _] = await a_branch(shop, "Home", "Mugs")
    with pytest.raises(CategoryNameTaken):
        await curation.create(STAFF, name="Mugs", parent_id=id_of(home))
    with pytest.raises(CategoryNameTaken):
        await curation.create(STAFF, name="Home")
    assert (await curation.create(STAFF, name="Mugs")).parent_id is None


async def test_a_category_lies_below_one_that_is_there(shop: Shop, curation: Curation) -> None:
    with pytest.raises(CategoryNotFound):
        await curation.create(STAFF, name="Mugs", parent_id=id_of(a_category()))
    assert shop.count(Category) == 0


async def test_the_tree_grows_16_deep_and_no_deeper(shop: Shop, curation: Curation) -> None:
    branch = await a_branch(shop, *(f"Level {depth}" for depth in range(1, DEEPEST)))
    deepest = await curation.create(STAFF, name="Level 16", parent_id=id_of(branch[-1]))
    with pytest.raises(CategoryTooDeep):
        await curation.create(STAFF, name="Level 17", parent_id=id_of(deepest))
    assert shop.count(Category) == DEEPEST


async def test_a_category_is_revised_and_moved_at_once(shop: Shop, curation: Curation) -> None:
    home, mugs = a_category(name="Home"), a_category(name="Mugs")
    await shop.keep(home, mugs)
    revised = await curation.revise(STAFF, id_of(mugs), {"name": "Cups", "parent_id": id_of(home)})
    assert (revised.name, revised.parent_id, revised.version) == ("Cups", home.id, 2)
    assert shop.events == ["category.changed", "category.changed"]
    assert [entry.payload["fields"] for entry in shop.database.outbox] == [["parent_id"], ["name"]]


async def test_a_category_without_a_new_parent_stays_where_it_is(
    shop: Shop, curation: Curation
) -> None:
    [home, mugs] = await a_branch(shop, "Home", "Mugs")
    assert (await curation.revise(STAFF, id_of(mugs), {"name": "Cups"})).parent_id == home.id
    assert (await curation.revise(STAFF, id_of(mugs), {"parent_id": None})).parent_id is None


async def test_a_patch_that_changes_nothing_makes_no_new_version(
    shop: Shop, curation: Curation
) -> None:
    [home, mugs] = await a_branch(shop, "Home", "Mugs")
    same: CategoryPatch = {"name": "Mugs", "parent_id": id_of(home)}
    revised = await curation.revise(STAFF, id_of(mugs), same)
    assert (revised.version, revised.updated_at) == (1, NOON)
    assert same == {"name": "Mugs", "parent_id": home.id}
    assert shop.events == []


async def test_a_category_moves_neither_below_itself_nor_below_what_is_below_it(
    shop: Shop, curation: Curation
) -> None:
    branch = await a_branch(shop, "Home", "Kitchen", "Mugs")
    for target in branch:
        with pytest.raises(CategoryCycle):
            await curation.revise(STAFF, id_of(branch[0]), {"parent_id": id_of(target)})
    assert shop.now(branch[0]).parent_id is None


async def test_two_moves_never_close_a_cycle_together(shop: Shop, curation: Curation) -> None:
    [home, kitchen] = await a_branch(shop, "Home", "Kitchen")
    [garden, shed] = await a_branch(shop, "Garden", "Shed")
    second = shop.meanwhile(curation.revise(STAFF, id_of(garden), {"parent_id": id_of(kitchen)}))
    await curation.revise(STAFF, id_of(home), {"parent_id": id_of(shed)})
    with pytest.raises(CategoryCycle):
        await second
    assert shop.now(home).parent_id == shed.id
    assert shop.now(garden).parent_id is None


async def test_a_tree_moves_only_where_all_of_it_fits(shop: Shop, curation: Curation) -> None:
    tall = await a_branch(shop, *(f"Tall {depth}" for depth in range(10)))
    other = await a_branch(shop, *(f"Other {depth}" for depth in range(7)))
    with pytest.raises(CategoryTooDeep):
        await curation.revise(STAFF, id_of(tall[0]), {"parent_id": id_of(other[6])})
    moved = await curation.revise(STAFF, id_of(tall[0]), {"parent_id": id_of(other[5])})
    assert moved.parent_id == other[5].id


async def test_a_move_onto_a_sibling_of_the_same_name_is_refused(
    shop: Shop, curation: Curation
) -> None:
    await a_branch(shop, "Home", "Mugs")
    mugs = a_category(name="Mugs")
    await shop.keep(mugs)
    home = next(category for category in shop.database.all(Category) if category.name == "Home")
    with pytest.raises(CategoryNameTaken):
        await curation.revise(STAFF, id_of(mugs), {"parent_id": id_of(home)})
    assert shop.now(mugs).parent_id is None


async def test_what_is_not_there_is_not_revised(shop: Shop, curation: Curation) -> None:
    ghost, mugs = a_category(), a_category()
    await shop.keep(mugs)
    for id, patch in [
        (id_of(ghost), CategoryPatch(name="Mugs")),
        (id_of(ghost), CategoryPatch(parent_id=id_of(mugs))),
        (id_of(mugs), CategoryPatch(parent_id=id_of(ghost))),
    ]:
        with pytest.raises(CategoryNotFound):
            await curation.revise(STAFF, id, patch)


async def test_a_new_version_is_not_overwritten_by_somebody_who_saw_an_older_one(
    shop: Shop, curation: Curation
) -> None:
    [mugs] = await a_branch(shop, "Mugs")
    await curation.revise(STAFF, id_of(mugs), {"name": "Cups"}, expected={1})
    with pytest.raises(StaleVersion) as stale:
        await curation.revise(STAFF, id_of(mugs), {"name": "Pots"}, expected={1})
    assert stale.value.details == {"version": 2}
    with pytest.raises(StaleVersion):
        await curation.delete(STAFF, id_of(mugs), expected={1})
    assert shop.now(mugs).name == "Cups"


async def test_the_children_of_a_deleted_category_go_up_to_its_parent(
    shop: Shop, curation: Curation
) -> None:
    [home, kitchen, mugs] = await a_branch(shop, "Home", "Kitchen", "Mugs")
    pots = a_category(name="Pots", below=kitchen)
    await shop.keep(pots)
    await curation.delete(STAFF, id_of(kitchen))
    assert shop.database.get(Category, kitchen.id) is None
    assert shop.now(mugs).parent_id == shop.now(pots).parent_id == home.id
    assert sorted(shop.events) == ["category.changed", "category.changed", "category.deleted"]


async def test_the_children_of_a_deleted_root_become_roots(shop: Shop, curation: Curation) -> None:
    [home, kitchen] = await a_branch(shop, "Home", "Kitchen")
    await curation.delete(STAFF, id_of(home))
    assert shop.now(kitchen).parent_id is None


async def test_a_child_with_the_name_of_its_deleted_parent_takes_its_place(
    shop: Shop, curation: Curation
) -> None:
    [home, outer, inner] = await a_branch(shop, "Home", "Mugs", "Mugs")
    await curation.delete(STAFF, id_of(outer))
    assert (shop.now(inner).name, shop.now(inner).parent_id) == ("Mugs", home.id)


async def test_nothing_is_deleted_if_a_child_would_meet_one_of_its_name(
    shop: Shop, curation: Curation
) -> None:
    [home, kitchen, mugs] = await a_branch(shop, "Home", "Kitchen", "Mugs")
    await shop.keep(a_category(name="Mugs", below=home))
    with pytest.raises(CategoryNameTaken):
        await curation.delete(STAFF, id_of(kitchen))
    assert shop.now(kitchen).name == "Kitchen"
    assert shop.now(mugs).parent_id == kitchen.id
    assert shop.events == []


async def test_the_products_of_a_deleted_category_are_in_none(
    shop: Shop, curation: Curation
) -> None:
    [home, kitchen] = await a_branch(shop, "Home", "Kitchen")
    mug, lamp = a_product(category=kitchen), a_product(category=home)
    gone = a_product(category=kitchen)
    gone.delete(at=NOON)
    await shop.keep(mug, lamp, gone)
    await curation.delete(STAFF, id_of(kitchen))
    assert shop.now(mug).category_id is None
    assert shop.now(gone).category_id is None
    assert shop.now(lamp).category_id == home.id


async def test_the_name_and_slug_of_a_deleted_category_are_free_again(
    shop: Shop, curation: Curation
) -> None:
    first = await curation.create(STAFF, name="Mugs")
    await curation.delete(STAFF, id_of(first))
    assert (await curation.create(STAFF, name="Mugs")).slug == "mugs"


async def test_what_is_not_there_is_not_deleted(curation: Curation) -> None:
    with pytest.raises(CategoryNotFound):
        await curation.delete(STAFF, id_of(a_category()))


async def test_a_broken_name_is_refused_with_or_without_a_slug(curation: Curation) -> None:
    for chosen in (None, Slug("mugs")):
        with pytest.raises(InvalidValue):
            await curation.create(STAFF, name="a\x00b", slug=chosen)


async def test_customers_do_not_keep_the_catalog(shop: Shop, curation: Curation) -> None:
    [mugs] = await a_branch(shop, "Mugs")
    customer = an_actor(Role.CUSTOMER)
    attempts = [
        curation.create(customer, name="Pots"),
        curation.revise(customer, id_of(mugs), {"name": "Pots"}),
        curation.delete(customer, id_of(mugs)),
        curation.delete(customer, id_of(a_category())),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden):
            await attempt
    assert shop.now(mugs).name == "Mugs"
