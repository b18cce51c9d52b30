"""More work in one unit of work than memory would hold: it is sent, and let go of."""

import pytest

from application.catalog.queries import ProductFilter
from application.shared.unit_of_work import Joined
from domain.catalog.product import SkuTaken
from tests.builders import BY_HAND, NOON, a_category, a_product, a_tag, a_user
from tests.contract.backends import Backend
from tests.contract.steps import failing, movements_of, names_found, product_in, user_in
from tests.contract.test_listeners import Listening


async def test_what_was_settled_is_kept_by_the_commit_and_not_before(backend: Backend) -> None:
    mugs, tea = a_category(), a_tag()
    mug = a_product(stock=3, category=mugs, tags=[tea])
    async with backend.begin() as work:
        work.categories.add(mugs)
        work.tags.add(tea)
        work.products.add(mug)
        await work.settle()
        assert await backend.stock(mug) == []
        assert await backend.outbox() == []
        assert await movements_of(backend, mug) == []
        await work.commit()
    assert await backend.stock(mug) == [3]
    told = sorted(entry.type for entry in await backend.outbox())
    assert told == ["category.created", "product.created", "tag.created"]
    assert len(await movements_of(backend, mug)) == 1


async def test_what_was_settled_and_not_committed_never_was(backend: Backend) -> None:
    mug = a_product()
    async with backend.begin() as work:
        work.products.add(mug)
        await work.settle()
    assert await backend.stock(mug) == []
    assert await backend.outbox() == []
    assert await movements_of(backend, mug) == []


async def test_what_is_settled_is_checked(backend: Backend) -> None:
    await backend.keep(a_product(sku_text="MUG"))
    async with backend.begin() as work:
        work.products.add(a_product(sku_text="MUG"))
        with pytest.raises(SkuTaken):
            await work.settle()


async def test_what_was_got_or_added_before_is_not_watched_any_more(backend: Backend) -> None:
    mug, ada = a_product(stock=5), a_user(full_name="Ada")
    await backend.keep(ada)
    async with backend.begin() as work:
        user = await user_in(work, ada)
        work.products.add(mug)
        await work.settle()
        user.revise({"full_name": "Lovelace"}, at=NOON)
        mug.take(1, BY_HAND, at=NOON)
        await work.commit()
    assert await backend.stock(mug) == [5]
    assert [entry.type for entry in await backend.outbox()] == ["product.created"]
    assert len(await movements_of(backend, mug)) == 1


async def test_work_goes_on_with_what_is_got_again(backend: Backend) -> None:
    mug, new = a_product(name="Mug", stock=5), a_product(stock=1)
    await backend.keep(mug)
    async with backend.begin() as work:
        (await product_in(work, mug)).take(1, BY_HAND, at=NOON)
        work.products.add(new)
        await work.settle()
        again, newer = await product_in(work, mug), await product_in(work, new, lock=True)
        assert (again.stock, again.version, newer.version) == (4, 2, 1)
        again.take(1, BY_HAND, at=NOON)
        again.revise({"name": "Cup"}, at=NOON)
        newer.delete(at=NOON)
        await work.settle()
        (await product_in(work, mug)).take(1, BY_HAND, at=NOON)
        await work.commit()
    assert await backend.stock(mug) == [2]
    assert sorted(one.change for one in await movements_of(backend, mug)) == [-1, -1, -1, 5]
    assert await names_found(backend, ProductFilter(words=("cup",))) == {"Cup"}
    assert await names_found(backend, ProductFilter(deleted=True)) == {new.name}
    sequences = [one.sequence for one in await backend.outbox() if one.aggregate_id == new.id]
    assert sequences == [1, 2]


async def test_what_was_settled_in_a_failed_savepoint_never_was(backend: Backend) -> None:
    mug, before, ghost = a_product(stock=5), a_product(stock=1), a_product()
    await backend.keep(mug)
    async with backend.begin() as work:
        work.products.add(before)
        await work.settle()
        async with failing(work.savepoint()):
            (await product_in(work, mug)).take(1, BY_HAND, at=NOON)
            work.products.add(ghost)
            await work.settle()
            (await product_in(work, mug)).take(1, BY_HAND, at=NOON)
        (await product_in(work, mug)).take(2, BY_HAND, at=NOON)
        await work.commit()
    assert await backend.stock(mug, before, ghost) == [3, 1]
    assert sorted(one.change for one in await movements_of(backend, mug)) == [-2, 5]
    assert await movements_of(backend, ghost) == []
    assert {one.aggregate_id for one in await backend.outbox()} == {before.id}


async def test_who_takes_part_in_a_unit_of_work_may_settle_it(backend: Backend) -> None:
    mug, ghost = a_product(stock=5), a_product()
    async with backend.begin() as outer:
        async with Joined(outer) as work:
            work.products.add(mug)
            await work.settle()
            await work.commit()
        async with Joined(outer) as work:
            work.products.add(ghost)
            await work.settle()
        await outer.commit()
    assert await backend.stock(mug, ghost) == [5]
    assert {one.aggregate_id for one in await backend.outbox()} == {mug.id}


async def test_whoever_listens_does_not_hear_of_what_was_settled(backend: Backend) -> None:
    listening = Listening()
    async with backend.begin(listening) as work:
        work.users.add(a_user())
        await work.settle()
        work.products.add(a_product())
        await work.commit()
    assert listening.heard == ["product.created"]
    assert len(await backend.outbox()) == 2
