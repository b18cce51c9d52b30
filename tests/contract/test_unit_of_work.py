import pytest

from application.shared.errors import Deadlock
from domain.catalog.category import CategoryId
from domain.catalog.product import ProductId, ProductNotFound, SkuTaken, sku
from domain.shared.text import Slug
from tests.builders import BY_HAND, NOON, a_category, a_product, a_user, an_order, gbp
from tests.contract.backends import Backend
from tests.contract.steps import failing, lock_products, order_in, product_in


async def test_what_is_committed_is_there(backend: Backend) -> None:
    mug = a_product(sku_text="MUG", stock=5)
    async with backend.begin() as work:
        work.products.add(mug)
        await work.commit()

    found = await backend.products.find(ProductId(mug.id))
    assert found is not None
    assert (found.sku, found.stock, found.version) == ("MUG", 5, 1)


async def test_what_is_left_without_a_commit_never_happened(backend: Backend) -> None:
    mug = a_product()
    async with backend.begin() as work:
        work.products.add(mug)
        await work.flush()

    assert await backend.products.find(ProductId(mug.id)) is None
    assert await backend.outbox() == []


async def test_what_an_error_interrupts_never_happened(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)

    async with failing(backend.begin()) as work:
        (await product_in(work, mug)).take(5, BY_HAND, at=NOON)
        await work.flush()

    assert await backend.stock(mug) == [5]


async def test_nobody_sees_what_is_not_committed(backend: Backend) -> None:
    mug, pot = a_product(stock=5), a_product(stock=10)
    await backend.keep(mug)

    async with backend.begin() as work:
        (await product_in(work, mug)).take(2, BY_HAND, at=NOON)
        work.products.add(pot)
        await work.flush()
        assert await backend.stock(mug, pot) == [5]
        await work.commit()

    assert await backend.stock(mug, pot) == [3, 10]


async def test_a_unit_of_work_knows_each_thing_as_one_object(backend: Backend) -> None:
    mug = a_product()
    await backend.keep(mug)

    async with backend.begin() as work:
        first = await product_in(work, mug)
        assert await product_in(work, mug) is first
        assert await product_in(work, mug, lock=True) is first
        assert await lock_products(work, mug) == [first]


async def test_no_two_units_of_work_share_an_object(backend: Backend) -> None:
    mug = a_product()
    await backend.keep(mug)

    async with backend.begin() as work:
        first = await product_in(work, mug)
    async with backend.begin() as work:
        second = await product_in(work, mug)

    assert first is not second
    assert first is not mug


async def test_to_lock_a_thing_keeps_what_was_done_to_it_before(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)

    async with backend.begin() as work:
        (await product_in(work, mug)).take(1, BY_HAND, at=NOON)
        assert (await product_in(work, mug, lock=True)).stock == 4
        await work.commit()

    assert await backend.stock(mug) == [4]


async def test_objects_outlive_their_unit_of_work(backend: Backend) -> None:
    customer, mug = a_user(), a_product(price=gbp("2.50"))
    await backend.keep(customer, mug)

    async with backend.begin() as work:
        product = await product_in(work, mug, lock=True)
        order = an_order(product, customer=customer, quantity=2)
        work.orders.add(order)
        await work.commit()
    async with backend.begin() as work:
        again = await order_in(work, order)

    for seen in (order, again):
        assert (seen.total, seen.version) == (gbp("5.00"), 1)
        assert [(line.sku, line.quantity) for line in seen.lines] == [(mug.sku, 2)]
    assert (product.stock, product.version) == (8, 2)


async def test_a_commit_that_fails_keeps_nothing(backend: Backend) -> None:
    mug, pot = a_product(stock=5), a_product()
    await backend.keep(mug)
    backend.fail_next_commit(Deadlock())

    async with backend.begin() as work:
        (await product_in(work, mug)).take(2, BY_HAND, at=NOON)
        work.products.add(pot)
        with pytest.raises(Deadlock):
            await work.commit()

    assert await backend.stock(mug, pot) == [5]
    assert await backend.outbox() == []


async def test_after_a_commit_that_failed_the_next_one_succeeds(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)
    backend.fail_next_commit(Deadlock())

    async def take_one() -> None:
        async with backend.begin() as work:
            (await product_in(work, mug, lock=True)).take(1, BY_HAND, at=NOON)
            await work.commit()

    with pytest.raises(Deadlock):
        await take_one()
    await take_one()

    assert await backend.stock(mug) == [4]


async def test_a_unit_of_work_whose_flush_failed_can_only_be_left(backend: Backend) -> None:
    await backend.keep(a_product(sku_text="MUG"))
    pot = a_product()

    async with backend.begin() as work:
        work.products.add(pot)
        work.products.add(a_product(sku_text="MUG"))
        with pytest.raises(SkuTaken):
            await work.flush()
        with pytest.raises(Exception, match=r"rolled back|can only be left"):
            await work.commit()

    assert await backend.products.find(ProductId(pot.id)) is None


async def test_a_unit_of_work_finds_what_it_has_just_made(backend: Backend) -> None:
    user = a_user(username="ada")
    cups = a_category(slug_text="cups")
    mugs = a_category(slug_text="mugs", below=cups)
    mug = a_product(sku_text="MUG", slug_text="mug", category=mugs)
    above = CategoryId(cups.id)

    async with backend.begin() as work:
        work.users.add(user)
        assert await work.users.by_login("ADA") is user

        work.categories.add(cups)
        assert await work.categories.taken([cups.slug, mugs.slug]) == {"cups"}
        assert await work.categories.path(above) == [above]

        work.categories.add(mugs)
        assert await work.categories.height(above) == 2
        assert await work.categories.children(above) == [mugs]

        work.products.add(mug)
        assert await work.products.taken([mug.slug, Slug("pot")]) == {"mug"}
        assert await work.products.lock_all([], [mug.sku]) == [mug]

        mug.revise({"sku": sku("CUP")}, at=NOON)
        assert await work.products.lock_all([], [sku("MUG")]) == []
        assert await work.products.lock_all([], [sku("CUP")]) == [mug]


async def test_products_leave_their_category_also_if_they_have_just_come(backend: Backend) -> None:
    mugs = a_category()
    mug = a_product(category=mugs)

    async with backend.begin() as work:
        work.categories.add(mugs)
        await work.flush()
        work.products.add(mug)
        await work.products.leave(CategoryId(mugs.id), at=NOON)
        await work.commit()

    found = await backend.products.find(ProductId(mug.id))
    assert found is not None
    assert found.category_id is None


async def test_whoever_deletes_a_product_no_longer_finds_it(backend: Backend) -> None:
    mug = a_product(sku_text="MUG")
    await backend.keep(mug)

    async with backend.begin() as work:
        (await product_in(work, mug)).delete(at=NOON)
        with pytest.raises(ProductNotFound):
            await product_in(work, mug)
        assert await work.products.lock_all([], [mug.sku]) == []
