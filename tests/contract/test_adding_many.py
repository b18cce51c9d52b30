"""To add many at once is to add each of them, only quicker."""

from collections.abc import Iterator
from typing import Any

import pytest

from application.catalog.queries import ProductFilter
from application.shared.errors import InUse
from domain.catalog.category import CategoryId
from domain.catalog.product import LARGEST_STOCK, NewProduct, ProductId, ProductSlugTaken, SkuTaken
from domain.shared.errors import InvalidValue
from domain.shared.text import Slug
from tests.builders import NOON, a_category, a_new_product, a_product, a_tag, gbp, money
from tests.contract.backends import Backend
from tests.contract.steps import everything, failing, movements_of, names_found, product_in
from tests.contract.test_listeners import Listening


async def add_many(backend: Backend, *products: NewProduct) -> None:
    async with backend.begin() as work:
        await work.products.add_many(products)
        await work.commit()


async def test_a_product_among_many_is_stored_as_one_that_is_added_alone(backend: Backend) -> None:
    mugs, tea, pot = a_category(), a_tag(), a_tag()
    await backend.keep(mugs, tea, pot)
    facts: dict[str, Any] = {
        "name": 'Big ☕ & <mug>\'s \\ "lid"',
        "description": "tabs\tand\nlines \\N \\. \u2028 🍵",
        "price": money("1.234", "KWD"),
        "stock": LARGEST_STOCK,
        "category": mugs,
        "tags": [tea, pot],
        "metadata": {"colour": "rød", "\\N": "\\N", 'a"b': "x\ty"},
    }
    alone = a_product(is_active=False, **facts)
    among = a_new_product(is_active=False, **facts)
    await backend.keep(alone)
    await add_many(backend, a_new_product(stock=0), among, a_new_product(metadata={}))

    one = await backend.products.find(ProductId(alone.id))
    other = await backend.products.find(ProductId(among.id))
    assert one is not None
    assert other is not None
    unlike = ("id", "sku", "slug")
    differing = [
        name
        for name in one.__slots__
        if name not in unlike and getattr(one, name) != getattr(other, name)
    ]
    assert differing == []
    assert (other.sku, other.slug, other.version) == (among.sku, among.slug, 1)


async def test_what_was_added_with_many_is_found_in_every_way(backend: Backend) -> None:
    mugs, tea = a_category(slug_text="mugs"), a_tag(slug_text="tea")
    await backend.keep(mugs, tea)
    mug = a_new_product(
        sku_text="MUG-1",
        slug_text="big-mug",
        name="Big mug",
        description="For Äpfel",
        category=mugs,
        tags=[tea],
    )
    await add_many(backend, mug, *(a_new_product(name=f"Cup {n}") for n in range(5)))

    for found in (
        await backend.products.by_sku(mug.sku),
        await backend.products.by_slug(mug.slug),
        await backend.products.find(ProductId(mug.id)),
    ):
        assert found is not None
        assert found.id == mug.id
    for words in (("big",), ("mug", "1"), ("apf",)):
        assert await names_found(backend, ProductFilter(words=words)) == {"Big mug"}
    assert await names_found(backend, ProductFilter(tags=(tea.slug,))) == {"Big mug"}
    assert await names_found(backend, ProductFilter(skus=(mug.sku,))) == {"Big mug"}
    async with backend.begin() as work:
        assert (await product_in(work, mug, lock=True)).name == "Big mug"
        assert await work.products.taken([Slug("big-mug")]) == {"big-mug"}


async def test_many_are_told_of_and_their_stock_moves_in(backend: Backend) -> None:
    mug, empty = a_new_product(sku_text="MUG", stock=3, price=gbp("2")), a_new_product(stock=0)
    await add_many(backend, mug, empty)

    [entry] = [one for one in await backend.outbox() if one.aggregate_id == mug.id]
    assert (entry.type, entry.sequence, entry.at) == ("product.created", 1, NOON)
    assert entry.payload["price"] == {"amount": "2.00", "currency": "GBP"}
    assert len(await backend.outbox()) == 2
    [movement] = await movements_of(backend, mug)
    assert (movement.change, movement.stock_after, movement.at) == (3, 3, NOON)
    assert await movements_of(backend, empty) == []


async def test_whoever_listens_does_not_hear_of_many(backend: Backend) -> None:
    listening = Listening()
    async with backend.begin(listening) as work:
        await work.products.add_many([a_new_product(), a_new_product()])
        work.tags.add(a_tag())
        await work.commit()
    assert listening.heard == ["tag.created"]
    assert len(await backend.outbox()) == 3


async def test_what_was_added_with_many_can_be_changed_like_any_other(backend: Backend) -> None:
    mug = a_new_product(name="Mug", stock=3)
    async with backend.begin() as work:
        await work.products.add_many([mug])
        product = await product_in(work, mug, lock=True)
        product.revise({"name": "Cup"}, at=NOON)
        await work.commit()
    assert await names_found(backend, ProductFilter(words=("cup",))) == {"Cup"}
    assert await names_found(backend, ProductFilter(words=("mug",))) == set()
    assert [one.sequence for one in await backend.outbox()] == [1, 2]
    found = await backend.products.find(ProductId(mug.id))
    assert found is not None
    assert found.version == 2


async def test_many_may_refer_to_what_was_made_right_before(backend: Backend) -> None:
    mugs, tea = a_category(), a_tag()
    mug = a_new_product(category=mugs, tags=[tea])
    async with backend.begin() as work:
        work.categories.add(mugs)
        work.tags.add(tea)
        await work.products.add_many([mug])
        await work.commit()
    found = await backend.products.find(ProductId(mug.id))
    assert found is not None
    assert (found.category_id, found.tags) == (CategoryId(mugs.id), (tea.slug,))


async def test_none_at_all_are_many_as_well(backend: Backend) -> None:
    await add_many(backend)
    await add_many(backend, a_new_product(name="Mug"))
    assert await names_found(backend, ProductFilter()) == {"Mug"}


async def test_one_sku_or_slug_that_is_taken_refuses_many(backend: Backend) -> None:
    await backend.keep(a_product(name="Old", sku_text="MUG", slug_text="mug"))
    for taken, refusal in (
        (a_new_product(sku_text="MUG"), SkuTaken),
        (a_new_product(slug_text="mug"), ProductSlugTaken),
    ):
        with pytest.raises(refusal):
            await add_many(backend, a_new_product(), taken, a_new_product())
    with pytest.raises(SkuTaken):
        await add_many(backend, a_new_product(sku_text="POT"), a_new_product(sku_text="POT"))
    assert await names_found(backend, ProductFilter()) == {"Old"}
    assert await backend.outbox() == []


async def test_many_refer_to_nothing_that_is_not_there(backend: Backend) -> None:
    for dangling in (a_new_product(category=a_category()), a_new_product(tags=[a_tag()])):
        with pytest.raises(InUse):
            await add_many(backend, a_new_product(), dangling)
    assert await names_found(backend, ProductFilter()) == set()


async def test_many_that_are_refused_fail_their_savepoint_and_nothing_else(
    backend: Backend,
) -> None:
    await backend.keep(a_product(sku_text="MUG"))
    before, after = a_new_product(stock=1), a_new_product(stock=2)
    refused = a_new_product(stock=3)

    async with backend.begin() as work:
        await work.products.add_many([before])
        with pytest.raises(SkuTaken):
            async with work.savepoint():
                await work.products.add_many([refused, a_new_product(sku_text="MUG")])
        async with failing(work.savepoint()):
            await work.products.add_many([refused])
        await work.products.add_many([after])
        await work.commit()

    assert await backend.stock(before, refused, after) == [1, 2]
    assert {one.aggregate_id for one in await backend.outbox()} == {before.id, after.id}
    assert await movements_of(backend, refused) == []
    found = await names_found(backend, ProductFilter(words=("product",)))
    assert found >= {before.name, after.name}
    assert refused.name not in found


async def test_many_that_are_not_committed_never_were(backend: Backend) -> None:
    mug = a_new_product()
    async with backend.begin() as work:
        await work.products.add_many([mug])
    assert await backend.stock(mug) == []
    assert await backend.outbox() == []
    assert await movements_of(backend, mug) == []
    assert await names_found(backend, ProductFilter(words=("product",))) == set()


async def test_more_than_a_thousand_are_many(backend: Backend) -> None:
    tea = a_tag()
    await backend.keep(tea)
    await add_many(backend, *(a_new_product(stock=n % 3, tags=[tea]) for n in range(1_001)))
    page = await backend.products.page(everything("stock"), ProductFilter(tags=(tea.slug,)))
    assert len(page.items) == 1_000
    assert page.next
    told = [entry.type for entry in await backend.outbox()]
    assert told.count("product.created") == 1_001


async def test_if_one_of_many_cannot_be_made_those_before_it_are_not_kept(
    backend: Backend,
) -> None:
    def made() -> Iterator[NewProduct]:
        for n in range(1_001):
            yield a_new_product(stock=n)
        raise InvalidValue("price", "is missing")

    kept = a_new_product()
    async with backend.begin() as work:
        with pytest.raises(InvalidValue):
            async with work.savepoint():
                await work.products.add_many(made())
        await work.products.add_many([kept])
        await work.commit()

    assert await names_found(backend, ProductFilter()) == {kept.name}
    assert {one.aggregate_id for one in await backend.outbox()} == {kept.id}
