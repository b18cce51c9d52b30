from asyncio import create_task
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import pytest

from application.catalog.queries import ProductFilter
from application.shared.errors import Busy, NameCollision
from domain.accounts.account import AccountExists
from domain.catalog.category import CategoryId, CategoryNameTaken, CategorySlugTaken
from domain.catalog.product import ProductSlugTaken, SkuTaken, sku
from domain.catalog.tag import TagSlugTaken
from domain.content.post import PostSlugTaken
from domain.identity.user import EmailTaken, UserChanges, UsernameTaken
from domain.ordering.order import OrderNumber
from domain.shared.aggregate import Aggregate
from infrastructure.memory import accounts, content, identity, ordering
from infrastructure.memory.catalog import repositories as catalog
from infrastructure.sql.schema import VIOLATIONS
from tests.builders import (
    NOON,
    a_category,
    a_house,
    a_post,
    a_product,
    a_tag,
    a_user,
    an_account,
    an_order,
)
from tests.contract.backends import Backend, add
from tests.contract.steps import category_in, everything, failing, product_in, user_in, waits


@dataclass(frozen=True, slots=True)
class Rivals:
    """Two of a kind that cannot both be stored, and what has to be stored before either."""

    first: Aggregate
    second: Aggregate
    before: list[Aggregate] = field(default_factory=list)


def usernames() -> Rivals:
    return Rivals(
        a_user(username="Ada_L", email="ada@example.com"),
        a_user(username="aDA_l", email="lovelace@example.com"),
    )


def emails() -> Rivals:
    return Rivals(a_user(email="ada@straße.example"), a_user(email="ADA@STRASSE.example"))


def slugs_of_categories() -> Rivals:
    return Rivals(a_category(slug_text="mugs"), a_category(slug_text="mugs"))


def names_of_siblings() -> Rivals:
    cups = a_category()
    mugs, rival = (a_category(name="Mugs", below=cups) for _ in range(2))
    return Rivals(mugs, rival, [cups])


def names_of_roots() -> Rivals:
    return Rivals(a_category(name="Mugs"), a_category(name="Mugs"))


def slugs_of_tags() -> Rivals:
    return Rivals(a_tag(slug_text="tea"), a_tag(slug_text="tea"))


def skus() -> Rivals:
    return Rivals(a_product(sku_text="MUG"), a_product(sku_text="mug"))


def slugs_of_products() -> Rivals:
    return Rivals(a_product(slug_text="mug"), a_product(slug_text="mug"))


def slugs_of_posts() -> Rivals:
    ada, bob = a_user(), a_user()
    return Rivals(a_post(ada, slug_text="tea"), a_post(bob, slug_text="tea"), [ada, bob])


def accounts_of_one_owner() -> Rivals:
    ada = a_user()
    return Rivals(an_account(ada), an_account(ada), [ada, an_account(ada, currency="USD")])


def houses() -> Rivals:
    return Rivals(a_house(), a_house(), [a_house(currency="USD")])


def numbers() -> Rivals:
    ada, mug = a_user(), a_product()
    one, other = (
        an_order(mug, customer=ada, number=OrderNumber("ORD-20260314-00000000")) for _ in range(2)
    )
    return Rivals(one, other, [ada, mug])


CONSTRAINTS: Final[dict[str, tuple[Callable[[], Rivals], type[Exception]]]] = {
    "uq_users_username_key": (usernames, UsernameTaken),
    "uq_users_email_key": (emails, EmailTaken),
    "uq_categories_slug": (slugs_of_categories, CategorySlugTaken),
    "uq_categories_parent_id_name": (names_of_siblings, CategoryNameTaken),
    "uq_categories_root_name": (names_of_roots, CategoryNameTaken),
    "uq_tags_slug": (slugs_of_tags, TagSlugTaken),
    "uq_products_sku": (skus, SkuTaken),
    "uq_products_slug": (slugs_of_products, ProductSlugTaken),
    "uq_posts_slug": (slugs_of_posts, PostSlugTaken),
    "uq_accounts_owner_id_currency": (accounts_of_one_owner, AccountExists),
    "uq_accounts_house": (houses, NameCollision),
    "uq_orders_number": (numbers, NameCollision),
}

each_constraint = pytest.mark.parametrize(
    ("rivals", "refusal"), CONSTRAINTS.values(), ids=CONSTRAINTS.keys()
)
Make = Callable[[], Rivals]


def test_every_constraint_that_a_storage_knows_is_in_the_table() -> None:
    in_memory = {
        unique.name
        for context in (identity, catalog, content, accounts, ordering)
        for unique in context.UNIQUES
    }
    # In SQL no two NULLs are equal, so there the roots have an index of their own.
    assert in_memory | {"uq_categories_root_name"} == {*VIOLATIONS} == {*CONSTRAINTS}
    assert {name: refusal for name, (_, refusal) in CONSTRAINTS.items()} == VIOLATIONS


@each_constraint
async def test_a_name_is_taken_once_it_is_committed(
    backend: Backend, rivals: Make, refusal: type[Exception]
) -> None:
    pair = rivals()
    await backend.keep(*pair.before, pair.first)

    async with backend.begin() as work:
        add(work, pair.second)
        with pytest.raises(refusal):
            await work.commit()


@each_constraint
async def test_a_name_is_taken_for_whoever_took_it_as_well(
    backend: Backend, rivals: Make, refusal: type[Exception]
) -> None:
    pair = rivals()
    await backend.keep(*pair.before)

    async with backend.begin() as work:
        add(work, pair.first)
        add(work, pair.second)
        with pytest.raises(refusal):
            await work.flush()


@each_constraint
async def test_a_taken_name_fails_the_savepoint_and_the_unit_of_work_goes_on(
    backend: Backend, rivals: Make, refusal: type[Exception]
) -> None:
    pair = rivals()
    await backend.keep(*pair.before)

    async with backend.begin() as work:
        add(work, pair.first)
        with pytest.raises(refusal):
            async with work.savepoint():
                add(work, pair.second)
        await work.commit()
    assert pair.first.version == 1


@each_constraint
async def test_a_name_is_free_again_if_the_savepoint_that_took_it_failed(
    backend: Backend, rivals: Make, refusal: type[Exception]
) -> None:
    pair = rivals()
    await backend.keep(*pair.before)

    async with backend.begin() as work:
        async with failing(work.savepoint()):
            add(work, pair.first)
            await work.flush()
        add(work, pair.second)
        await work.commit()
    assert pair.second.version == 1


@each_constraint
async def test_whoever_wants_a_name_that_is_being_taken_waits_and_is_refused(
    backend: Backend, rivals: Make, refusal: type[Exception]
) -> None:
    pair = rivals()
    await backend.keep(*pair.before)

    async with backend.begin() as work:
        add(work, pair.first)
        await work.flush()
        second = create_task(backend.keep(pair.second))
        assert await waits(second)
        await work.commit()
    with pytest.raises(refusal):
        await second


@each_constraint
async def test_whoever_waits_for_a_name_gets_it_if_it_was_not_taken_after_all(
    backend: Backend, rivals: Make, refusal: type[Exception]
) -> None:
    pair = rivals()
    await backend.keep(*pair.before)

    async with backend.begin() as work:
        add(work, pair.first)
        await work.flush()
        second = create_task(backend.keep(pair.second))
        assert await waits(second)
    await second
    assert pair.second.version == 1


async def test_whoever_waits_too_long_for_a_name_is_told_that_the_shop_is_busy(
    impatient: Backend,
) -> None:
    async with impatient.begin() as work:
        work.products.add(a_product(sku_text="MUG"))
        await work.flush()
        with pytest.raises(Busy):
            await impatient.keep(a_product(sku_text="MUG"))


async def test_a_name_is_free_again_if_the_unit_of_work_that_took_it_was_left(
    backend: Backend,
) -> None:
    async with backend.begin() as work:
        work.products.add(a_product(sku_text="MUG"))
        await work.flush()

    await backend.keep(a_product(sku_text="MUG"))


async def test_a_deleted_product_leaves_its_names_to_others(backend: Backend) -> None:
    for _ in range(3):
        await backend.keep(mug := a_product(sku_text="MUG", slug_text="mug"))
        async with backend.begin() as work:
            (await product_in(work, mug)).delete(at=NOON)
            await work.commit()


async def test_a_name_can_be_given_up_and_taken_in_one_go(backend: Backend) -> None:
    """Whichever of the two was made first."""
    for at in (NOON, NOON - timedelta(days=1)):
        old = a_product(sku_text="MUG", slug_text="mug")
        await backend.keep(old)
        async with backend.begin() as work:
            (await product_in(work, old)).delete(at=NOON)
            work.products.add(new := a_product(sku_text="MUG", slug_text="mug", at=at))
            await work.commit()
        assert await backend.stock(new) == [new.stock]
        async with backend.begin() as work:
            (await product_in(work, new)).delete(at=NOON)
            await work.commit()


async def test_a_name_can_be_given_up_taken_and_given_up_again(backend: Backend) -> None:
    mug, pot = a_product(sku_text="MUG"), a_product(sku_text="POT")
    await backend.keep(mug, pot)

    async with backend.begin() as work:
        first, second = await product_in(work, mug), await product_in(work, pot)
        first.revise({"sku": sku("TMP")}, at=NOON)
        await work.flush()
        second.revise({"sku": sku("MUG")}, at=NOON)
        await work.flush()
        first.revise({"sku": sku("POT")}, at=NOON)
        await work.commit()

    found = await backend.products.page(everything("created_at"), ProductFilter())
    assert {product.id: product.sku for product in found.items} == {mug.id: "POT", pot.id: "MUG"}


async def test_two_cannot_swap_their_names_at_once(backend: Backend) -> None:
    mug, pot = a_product(sku_text="MUG"), a_product(sku_text="POT")
    await backend.keep(mug, pot)

    async with backend.begin() as work:
        first, second = await product_in(work, mug), await product_in(work, pot)
        first.sku, second.sku = second.sku, first.sku
        with pytest.raises(SkuTaken):
            await work.flush()


async def test_a_name_is_unique_among_siblings_only(backend: Backend) -> None:
    cups, bowls = a_category(name="Cups"), a_category(name="Bowls")
    await backend.keep(
        cups,
        bowls,
        a_category(name="Red", below=cups),
        a_category(name="Red", below=bowls),
        a_category(name="Red"),
        a_category(name="red"),
    )


async def test_a_category_cannot_move_to_where_its_name_is_taken(backend: Backend) -> None:
    cups, red = a_category(name="Cups"), a_category(name="Red")
    await backend.keep(cups, red, a_category(name="Red", below=cups))

    async with backend.begin() as work:
        (await category_in(work, red)).move([CategoryId(cups.id)], height=1, at=NOON)
        with pytest.raises(CategoryNameTaken):
            await work.commit()


async def test_a_removed_category_leaves_its_name_and_slug_to_others(backend: Backend) -> None:
    mugs = a_category(name="Mugs", slug_text="mugs")
    await backend.keep(mugs)

    async with backend.begin() as work:
        await work.categories.remove(await category_in(work, mugs))
        await work.flush()
        work.categories.add(a_category(name="Mugs", slug_text="mugs"))
        await work.commit()


async def test_to_keep_ones_own_name_is_no_collision(backend: Backend) -> None:
    mug = a_product(sku_text="MUG")
    await backend.keep(mug)

    async with backend.begin() as work:
        product = await product_in(work, mug)
        product.revise({"name": "Cup", "sku": sku("mug")}, at=NOON)
        await work.flush()
        product.revise({"sku": sku("CUP")}, at=NOON)
        await work.flush()
        product.revise({"sku": sku("MUG")}, at=NOON)
        await work.commit()
    assert product.version == 4


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"username": "ADA_l"}, UsernameTaken),
        ({"username": "Ａｄａ_Ｌ"}, UsernameTaken),
        ({"email": "ADA@STRASSE.EXAMPLE"}, EmailTaken),
        ({"email": "ａda@straße.example"}, EmailTaken),
    ],
    ids=["by case", "by width", "by sharp s", "by width of one letter"],
)
async def test_nobody_takes_the_name_or_address_of_another_in_whatever_spelling(
    backend: Backend, changes: UserChanges, refusal: type[Exception]
) -> None:
    bob = a_user()
    await backend.keep(a_user(username="Ada_L", email="ada@straße.example"), bob)

    async with backend.begin() as work:
        user = await user_in(work, bob)
        user.revise(changes, at=NOON)
        with pytest.raises(refusal):
            await work.commit()


async def test_ones_own_name_and_address_may_be_spelt_anew(backend: Backend) -> None:
    ada = a_user(username="Ada_L", email="ada@straße.example")
    await backend.keep(ada)

    async with backend.begin() as work:
        user = await user_in(work, ada)
        user.revise({"username": "ADA_L", "email": "Ada@STRASSE.example"}, at=NOON)
        await work.commit()

    assert await backend.users.credentials("ada_l") == await backend.users.credentials(
        "ada@straße.example"
    )
    assert (user.username, user.version) == ("ADA_L", 2)


async def test_a_name_and_address_that_were_given_up_are_free(backend: Backend) -> None:
    ada = a_user(username="ada", email="ada@example.com")
    await backend.keep(ada)

    async with backend.begin() as work:
        user = await user_in(work, ada)
        user.revise({"username": "lovelace", "email": "lovelace@example.com"}, at=NOON)
        work.users.add(a_user(username="ADA", email="ADA@example.com"))
        await work.commit()
