import pytest

from application.catalog.queries import ProductFilter
from application.ordering.queries import OrderFilter
from application.shared.errors import StaleWrite
from domain.catalog.product import SkuTaken
from domain.ordering.status import OrderStatus
from domain.shared.author import Author
from tests.builders import BY_HAND, NOON, a_category, a_product, a_user, an_order
from tests.contract.backends import Backend
from tests.contract.steps import category_in, everything, failing, order_in, product_in


async def test_a_failed_savepoint_undoes_only_itself(backend: Backend) -> None:
    mug, ghost = a_product(stock=5), a_product()
    await backend.keep(mug)

    async with backend.begin() as work:
        product = await product_in(work, mug)
        product.take(1, BY_HAND, at=NOON)
        async with failing(work.savepoint()):
            product.take(3, BY_HAND, at=NOON)
            work.products.add(ghost)
        assert product.stock == 4
        await work.commit()

    assert await backend.stock(mug, ghost) == [4]


async def test_a_savepoint_that_was_kept_is_undone_with_what_surrounds_it(backend: Backend) -> None:
    mug, ghost = a_product(stock=5), a_product()
    await backend.keep(mug)

    async with backend.begin() as work, work.savepoint():
        (await product_in(work, mug)).take(1, BY_HAND, at=NOON)
        work.products.add(ghost)

    assert await backend.stock(mug, ghost) == [5]
    assert await backend.outbox() == []


async def test_an_inner_savepoint_fails_and_the_outer_one_goes_on(backend: Backend) -> None:
    mug = a_product(stock=10)
    await backend.keep(mug)

    async with backend.begin() as work:
        product = await product_in(work, mug)
        async with work.savepoint():
            product.take(1, BY_HAND, at=NOON)
            async with failing(work.savepoint()):
                product.take(2, BY_HAND, at=NOON)
                await work.flush()
            assert product.stock == 9
            product.take(3, BY_HAND, at=NOON)
        assert product.stock == 6
        await work.commit()

    assert await backend.stock(mug) == [6]


async def test_an_outer_savepoint_that_fails_takes_the_inner_one_with_it(backend: Backend) -> None:
    mug, ghost = a_product(stock=10), a_product()
    await backend.keep(mug)

    async with backend.begin() as work:
        product = await product_in(work, mug)
        product.take(1, BY_HAND, at=NOON)
        async with failing(work.savepoint()):
            product.take(2, BY_HAND, at=NOON)
            async with work.savepoint():
                product.take(3, BY_HAND, at=NOON)
                work.products.add(ghost)
        assert (product.stock, product.version) == (9, 2)
        await work.commit()

    assert await backend.stock(mug, ghost) == [9]


async def test_both_savepoints_fail_one_after_the_other(backend: Backend) -> None:
    mug = a_product(stock=10)
    await backend.keep(mug)

    async with backend.begin() as work:
        product = await product_in(work, mug)
        async with failing(work.savepoint()):
            product.take(1, BY_HAND, at=NOON)
            async with failing(work.savepoint()):
                product.take(2, BY_HAND, at=NOON)
            assert product.stock == 9
        assert product.stock == 10


async def test_the_error_that_fails_a_savepoint_passes_through_all_of_them(
    backend: Backend,
) -> None:
    async with failing(backend.begin()) as work, work.savepoint(), work.savepoint():
        work.products.add(a_product())


async def test_after_a_failed_savepoint_an_order_has_its_lines_again(backend: Backend) -> None:
    customer, mug, pot = a_user(), a_product(), a_product()
    kept = an_order(mug, pot, customer=customer, quantity=2)
    await backend.keep(customer, mug, pot, kept)

    async with backend.begin() as work:
        order = await order_in(work, kept)
        async with failing(work.savepoint()):
            order.confirm(by=Author(order.customer_id), at=NOON)
            await work.flush()
        assert (order.status, order.version, order.sequence) == (OrderStatus.PENDING, 1, 1)
        assert [(line.position, line.sku, line.quantity) for line in order.lines] == [
            (1, mug.sku, 2),
            (2, pot.sku, 2),
        ]
        order.confirm(by=Author(order.customer_id), at=NOON)
        await work.commit()

    assert [entry.sequence for entry in await backend.outbox()] == [2]


async def test_an_order_made_before_the_savepoint_keeps_its_lines(backend: Backend) -> None:
    customer, mug = a_user(), a_product()
    await backend.keep(customer, mug)

    async with backend.begin() as work:
        order = an_order(await product_in(work, mug), customer=customer)
        work.orders.add(order)
        async with failing(work.savepoint()):
            order.confirm(by=Author(order.customer_id), at=NOON)
        assert order.quantities[0].sku == mug.sku
        await work.commit()

    found = await backend.orders.page(everything("placed_at"), OrderFilter())
    assert [seen.status for seen in found.items] == [OrderStatus.PENDING]


async def test_what_was_first_met_inside_a_failed_savepoint_is_as_it_is_stored(
    backend: Backend,
) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)

    async with backend.begin() as work:
        async with failing(work.savepoint()):
            product = await product_in(work, mug)
            product.take(2, BY_HAND, at=NOON)
            await work.flush()
        assert (product.stock, product.version) == (5, 1)
        assert await product_in(work, mug) is product
        product.take(1, BY_HAND, at=NOON)
        await work.commit()

    assert await backend.stock(mug) == [4]


async def test_what_was_not_yet_sent_survives_a_savepoint_that_fails(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)

    async with backend.begin() as work:
        product = await product_in(work, mug)
        product.take(2, BY_HAND, at=NOON)
        async with failing(work.savepoint()):
            pass
        assert product.stock == 3
        await work.commit()

    assert await backend.stock(mug) == [3]


async def test_what_was_removed_inside_a_failed_savepoint_is_there_again(backend: Backend) -> None:
    mugs = a_category()
    await backend.keep(mugs)

    async with backend.begin() as work:
        category = await category_in(work, mugs)
        async with failing(work.savepoint()):
            await work.categories.remove(category)
            await work.flush()
        assert await category_in(work, mugs) is category
        category.revise({"name": "Cups"}, at=NOON)
        await work.commit()

    found = await backend.categories.page(everything("name"))
    assert [seen.name for seen in found.items] == ["Cups"]


async def test_what_a_failed_savepoint_made_can_be_added_again(backend: Backend) -> None:
    mug = a_product()
    async with backend.begin() as work:
        async with failing(work.savepoint()):
            work.products.add(mug)
            await work.flush()
        work.products.add(mug)
        await work.commit()

    assert mug.version == 1
    assert await backend.stock(mug) == [mug.stock]


async def test_a_failed_savepoint_sets_the_names_free_that_it_took(backend: Backend) -> None:
    async with backend.begin() as work:
        async with failing(work.savepoint()):
            work.products.add(a_product(sku_text="MUG"))
            await work.flush()
        work.products.add(a_product(sku_text="MUG"))
        await work.commit()

    page = await backend.products.page(everything("name"), ProductFilter())
    assert [product.sku for product in page.items] == ["MUG"]


async def test_a_failed_savepoint_gives_back_the_names_that_it_gave_up(backend: Backend) -> None:
    mug = a_product(sku_text="MUG")
    await backend.keep(mug)

    async with backend.begin() as work:
        async with failing(work.savepoint()):
            (await product_in(work, mug)).delete(at=NOON)
            await work.flush()
        with pytest.raises(SkuTaken):
            async with work.savepoint():
                work.products.add(a_product(sku_text="MUG"))
        await work.commit()

    assert await backend.stock(mug) == [mug.stock]


async def test_of_many_rows_in_savepoints_of_their_own_the_good_ones_stay(backend: Backend) -> None:
    refused = 0
    async with backend.begin() as work:
        for number in range(30):
            try:
                async with work.savepoint():
                    work.products.add(a_product(sku_text=f"SKU-{number % 10}", stock=number))
            except SkuTaken:
                refused += 1
        await work.commit()

    page = await backend.products.page(everything("name"), ProductFilter())
    assert refused == 20
    assert sorted(product.stock for product in page.items) == [*range(10)]


async def test_what_was_wrong_before_a_savepoint_is_told_when_it_is_set(backend: Backend) -> None:
    await backend.keep(a_product(sku_text="MUG"), pot := a_product())

    async with backend.begin() as work:
        (await product_in(work, pot)).take(1, BY_HAND, at=NOON)
        work.products.add(a_product(sku_text="MUG"))
        with pytest.raises(SkuTaken):
            async with work.savepoint():
                pytest.fail("it was set")


async def test_a_savepoint_cannot_be_set_on_top_of_a_stale_state(overlapping: Backend) -> None:
    mug = a_product(stock=5)
    await overlapping.keep(mug)

    async with overlapping.begin() as work:
        (await product_in(work, mug)).take(1, BY_HAND, at=NOON)
        async with overlapping.begin() as faster:
            (await product_in(faster, mug)).take(2, BY_HAND, at=NOON)
            await faster.commit()
        with pytest.raises(StaleWrite):
            async with work.savepoint():
                pytest.fail("it was set")

    assert await overlapping.stock(mug) == [3]


async def test_a_stale_state_is_found_at_the_end_of_a_savepoint(overlapping: Backend) -> None:
    mug = a_product(stock=5)
    await overlapping.keep(mug)

    async with overlapping.begin() as work:
        product = await product_in(work, mug)
        async with overlapping.begin() as faster:
            (await product_in(faster, mug)).take(2, BY_HAND, at=NOON)
            await faster.commit()
        with pytest.raises(StaleWrite):
            async with work.savepoint():
                product.take(1, BY_HAND, at=NOON)

    assert await overlapping.stock(mug) == [3]
