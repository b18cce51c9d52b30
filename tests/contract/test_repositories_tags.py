from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from application.catalog.queries import ProductFilter
from domain.catalog.product import MOST_TAGS, ProductId
from domain.catalog.tag import TAG_NAME_LENGTH, TagId, TagNotFound
from domain.shared.text import SLUG_LENGTH, Slug
from infrastructure.memory.copying import state_of
from tests.builders import BY_HAND, NOON, a_product, a_tag
from tests.contract.backends import Backend
from tests.contract.steps import failing, names_found, product_in, tag_in

LATER = NOON + timedelta(hours=1)


async def test_a_tag_comes_back_as_it_was(backend: Backend) -> None:
    tea = a_tag(
        name="🍵" * TAG_NAME_LENGTH,
        slug_text="t" * SLUG_LENGTH,
        at=datetime(1970, 1, 1, 0, 0, 0, 1, UTC),
    )
    await backend.keep(tea)

    async with backend.begin() as work:
        for lock in (False, True):
            assert state_of(await tag_in(work, tea, lock=lock)) == state_of(tea)


async def test_who_looks_for_a_tag_that_is_not_there_is_told_so(backend: Backend) -> None:
    async with backend.begin() as work:
        for lock in (False, True):
            with pytest.raises(TagNotFound):
                await work.tags.get(TagId(uuid4()), lock=lock)


async def test_a_tag_that_is_removed_is_gone(backend: Backend) -> None:
    tea = a_tag()
    await backend.keep(tea)

    async with backend.begin() as work:
        await work.tags.remove(await tag_in(work, tea))
        with pytest.raises(TagNotFound):
            await tag_in(work, tea)
        await work.flush()
        work.tags.add(again := a_tag(slug_text=tea.slug))
        await work.commit()
    async with backend.begin() as work:
        with pytest.raises(TagNotFound):
            await tag_in(work, tea)
        assert (await tag_in(work, again)).slug == tea.slug


async def test_tags_are_known_by_their_slugs_once_they_are_made(backend: Backend) -> None:
    await backend.keep(a_tag(slug_text="tea"), a_tag(slug_text="pot"))
    wanted = [Slug(slug) for slug in ("tea", "cup", "TEA", "te", "tea")]

    async with backend.begin() as work:
        assert await work.tags.known(wanted) == {"tea"}
        work.tags.add(a_tag(slug_text="cup"))
        assert await work.tags.known(wanted) == {"tea", "cup"}
        assert await work.tags.known([]) == set()
        assert await work.tags.known([Slug(f"tag-{n}") for n in range(2_000)]) == set()


async def test_a_product_keeps_as_many_tags_as_it_may_have(backend: Backend) -> None:
    tags = [a_tag(slug_text=f"{number:02}".ljust(SLUG_LENGTH, "-")) for number in range(MOST_TAGS)]
    mug = a_product(tags=tags[::-1])
    await backend.keep(*tags, mug)

    async with backend.begin() as work:
        found = await product_in(work, mug)
        assert state_of(found) == state_of(mug)
        assert found.tags == tuple(tag.slug for tag in tags)


async def test_a_product_is_listed_under_the_tags_that_it_has_now(backend: Backend) -> None:
    tea, pot, red = (a_tag(slug_text=slug) for slug in ("tea", "pot", "red"))
    mug = a_product(name="Mug", tags=[tea, pot])
    await backend.keep(tea, pot, red, mug)

    async def listed() -> list[str]:
        slugs = [tag.slug for tag in (tea, pot, red)]
        return [slug for slug in slugs if await names_found(backend, ProductFilter(tags=(slug,)))]

    async with backend.begin() as work:
        product = await product_in(work, mug)
        product.revise({"tags": (red.slug, tea.slug)}, at=NOON)
        await work.flush()
        async with failing(work.savepoint()):
            product.revise({"tags": ()}, at=NOON)
        assert product.tags == ("red", "tea")
        assert await listed() == ["tea", "pot"]
        await work.commit()
    assert await listed() == ["tea", "red"]


async def test_a_tag_is_taken_off_everything_and_no_other_with_it(backend: Backend) -> None:
    tea, pot = a_tag(slug_text="tea"), a_tag(slug_text="pot")
    both, one, deleted = a_product(tags=[tea, pot]), a_product(tags=[tea]), a_product(tags=[tea])
    other, none = a_product(tags=[pot]), a_product()
    await backend.keep(tea, pot, both, one, deleted, other, none)

    async with backend.begin() as work:
        (await product_in(work, deleted)).delete(at=NOON)
        await work.products.untag(tea.slug, at=LATER)
        await work.commit()

    found = [
        await backend.products.find(ProductId(product.id))
        for product in (both, one, deleted, other, none)
    ]
    assert [(row.tags, row.updated_at, row.version) for row in found if row] == [
        (("pot",), LATER, 2),
        ((), LATER, 2),
        ((), LATER, 3),
        (("pot",), NOON, 1),
        ((), NOON, 1),
    ]
    assert await names_found(backend, ProductFilter(tags=(tea.slug,))) == set()
    assert await names_found(backend, ProductFilter(tags=(pot.slug,))) == {both.name, other.name}


async def test_whoever_holds_a_product_sees_its_tag_taken_off(backend: Backend) -> None:
    tea = a_tag()
    mug, new = a_product(tags=[tea], stock=5), a_product(tags=[tea])
    await backend.keep(tea, mug)

    async with backend.begin() as work:
        product = await product_in(work, mug)
        work.products.add(new)
        await work.products.untag(tea.slug, at=LATER)
        assert (product.tags, product.updated_at, product.version) == ((), LATER, 2)
        assert new.tags == ()
        product.take(1, BY_HAND, at=LATER)
        await work.commit()

    assert await backend.stock(mug) == [4]


async def test_a_tag_that_nothing_has_is_taken_off_nothing(backend: Backend) -> None:
    mug = a_product()
    await backend.keep(mug)
    async with backend.begin() as work:
        await work.products.untag(Slug("tea"), at=LATER)
        await work.commit()
    found = await backend.products.find(ProductId(mug.id))
    assert found is not None
    assert found.version == 1
