import random
from collections import Counter
from functools import partial

from application.catalog.curation import Curation
from application.catalog.queries import ProductFilter
from application.catalog.stocking import Stocking
from application.ordering.checkout import BasketLine, Checkout
from application.ordering.fulfilment import Fulfilment
from application.ordering.queries import OrderFilter
from application.shared.unit_of_work import Runner
from domain.catalog.category import CategoryId
from domain.catalog.product import Product, ProductId
from domain.identity.user import Role, User
from domain.ordering.order import Order, OrderId
from domain.ordering.status import OrderStatus
from tests.builders import a_category, a_draft, a_product, a_user, actor_of, an_actor, at_noon
from tests.contract.backends import Backend
from tests.contract.steps import ends_of, everything

STAFF = an_actor(Role.STAFF)


def basket(*products: Product, quantity: int = 1) -> list[BasketLine]:
    return [BasketLine(ProductId(product.id), quantity) for product in products]


async def test_of_sixty_buyers_of_the_last_fifteen_each_of_fifteen_gets_one(
    backend: Backend,
) -> None:
    buyers, mug = [a_user() for _ in range(60)], a_product(stock=15)
    await backend.keep(mug, *buyers)
    run, checkout = Runner(), Checkout(backend.begin, at_noon)

    async def buy(buyer: User) -> Order:
        return await run(partial(checkout.place, actor_of(buyer), basket(mug)))

    ends = await ends_of([buy(buyer) for buyer in buyers])

    assert ends == {"done": 15, "InsufficientStock": 45}
    assert await backend.stock(mug) == [0]
    orders = await backend.orders.page(everything("placed_at"), OrderFilter())
    assert len({order.customer_id for order in orders.items}) == 15
    assert [entry.type for entry in await backend.outbox()] == 15 * ["order.placed"]


async def test_orders_over_the_same_products_in_any_order_all_get_through(
    backend: Backend,
) -> None:
    ada, products = a_user(), [a_product(stock=40) for _ in range(4)]
    await backend.keep(ada, *products)
    run, checkout = Runner(), Checkout(backend.begin, at_noon)
    dice = random.Random(7)

    async def buy(wanted: list[Product]) -> Order:
        return await run(partial(checkout.place, actor_of(ada), basket(*wanted)))

    ends = await ends_of([buy(dice.sample(products, 4)) for _ in range(40)])

    assert ends == {"done": 40}
    assert run.retries == {}
    assert await backend.stock(*products) == [0, 0, 0, 0]


async def test_an_order_takes_everything_or_nothing_however_many_want_it(
    backend: Backend,
) -> None:
    ada, mug, pot = a_user(), a_product(stock=20), a_product(stock=5)
    await backend.keep(ada, mug, pot)
    run, checkout = Runner(), Checkout(backend.begin, at_noon)

    ends = await ends_of(
        [run(partial(checkout.place, actor_of(ada), basket(mug, pot))) for _ in range(10)]
    )

    assert ends == {"done": 5, "InsufficientStock": 5}
    assert await backend.stock(mug, pot) == [15, 0]


async def test_of_twenty_who_cancel_one_order_one_puts_its_stock_back(backend: Backend) -> None:
    ada, mug, pot = a_user(), a_product(stock=10), a_product(stock=10)
    await backend.keep(ada, mug, pot)
    run, fulfilment = Runner(), Fulfilment(backend.begin, at_noon)
    order = await Checkout(backend.begin, at_noon).place(
        actor_of(ada), basket(mug, pot, quantity=3)
    )
    assert await backend.stock(mug, pot) == [7, 7]

    async def cancel() -> Order:
        return await fulfilment.move(actor_of(ada), OrderId(order.id), OrderStatus.CANCELLED)

    ends = await ends_of([run(cancel) for _ in range(20)])

    assert ends == {"done": 1, "InvalidTransition": 19}
    assert await backend.stock(mug, pot) == [10, 10]
    assert [(entry.sequence, entry.type) for entry in await backend.outbox()] == [
        (1, "order.placed"),
        (2, "order.cancelled"),
    ]


async def test_an_order_is_either_shipped_or_cancelled(backend: Backend) -> None:
    ada, mug = a_user(), a_product(stock=30)
    await backend.keep(ada, mug)
    run, fulfilment = Runner(), Fulfilment(backend.begin, at_noon)
    checkout = Checkout(backend.begin, at_noon)
    shipped = 0

    for _ in range(10):
        order = await checkout.place(actor_of(ada), basket(mug, quantity=3))
        id = OrderId(order.id)
        await fulfilment.move(STAFF, id, OrderStatus.CONFIRMED)
        moves = [
            run(partial(fulfilment.move, STAFF, id, OrderStatus.SHIPPED)),
            run(partial(fulfilment.move, STAFF, id, OrderStatus.CANCELLED)),
        ]
        random.shuffle(moves)
        assert await ends_of(moves) == {"done": 1, "InvalidTransition": 1}
        found = await backend.orders.find(id)
        assert found is not None
        shipped += found.status is OrderStatus.SHIPPED

    assert await backend.stock(mug) == [30 - 3 * shipped]


async def test_buyers_and_cancellers_at_once_lose_nothing(backend: Backend) -> None:
    ada, products = a_user(), [a_product(stock=50) for _ in range(3)]
    await backend.keep(ada, *products)
    run, dice = Runner(), random.Random(11)
    checkout, fulfilment = Checkout(backend.begin, at_noon), Fulfilment(backend.begin, at_noon)

    async def buy_and_perhaps_cancel(wanted: list[Product], cancelled: bool) -> None:
        order = await run(partial(checkout.place, actor_of(ada), basket(*wanted, quantity=2)))
        if cancelled:
            await run(
                partial(fulfilment.move, actor_of(ada), OrderId(order.id), OrderStatus.CANCELLED)
            )

    kept: Counter[Product] = Counter()
    attempts = []
    for number in range(24):
        wanted = dice.sample(products, 2)
        kept.update(wanted if number % 3 else [])
        attempts.append(buy_and_perhaps_cancel(wanted, cancelled=number % 3 == 0))

    assert await ends_of(attempts) == {"done": 24}
    assert await backend.stock(*products) == [50 - 2 * kept[product] for product in products]


async def test_two_moves_cannot_close_a_cycle_together(backend: Backend) -> None:
    run, curation = Runner(), Curation(backend.begin, at_noon)

    for _ in range(10):
        cups, mugs = a_category(), a_category()
        await backend.keep(cups, mugs)
        cup, mug = CategoryId(cups.id), CategoryId(mugs.id)
        ends = await ends_of(
            [
                run(partial(curation.revise, STAFF, cup, {"parent_id": mug})),
                run(partial(curation.revise, STAFF, mug, {"parent_id": cup})),
            ]
        )
        assert ends == {"done": 1, "CategoryCycle": 1}


async def test_three_moves_cannot_close_a_cycle_together(backend: Backend) -> None:
    run, curation = Runner(), Curation(backend.begin, at_noon)

    for _ in range(5):
        categories = [a_category() for _ in range(3)]
        await backend.keep(*categories)
        ids = [CategoryId(category.id) for category in categories]

        async def below(id: CategoryId, parent_id: CategoryId) -> None:
            await run(partial(curation.revise, STAFF, id, {"parent_id": parent_id}))

        ends = await ends_of([below(ids[number], ids[number - 1]) for number in range(3)])
        assert ends == {"done": 2, "CategoryCycle": 1}


async def test_a_category_can_go_while_others_move_into_it(backend: Backend) -> None:
    run, curation = Runner(), Curation(backend.begin, at_noon)

    for _ in range(5):
        cups, mugs = a_category(), a_category()
        await backend.keep(cups, mugs)
        cup, mug = CategoryId(cups.id), CategoryId(mugs.id)
        ends = await ends_of(
            [
                run(partial(curation.delete, STAFF, cup)),
                run(partial(curation.revise, STAFF, mug, {"parent_id": cup})),
            ]
        )
        assert ends in ({"done": 2}, {"done": 1, "CategoryNotFound": 1})
        left = await backend.categories.find(mug)
        assert left is not None
        assert left.parent_id is None
        assert await backend.categories.find(cup) is None


async def test_a_category_can_go_while_products_come(backend: Backend) -> None:
    run = Runner()
    curation, stocking = Curation(backend.begin, at_noon), Stocking(backend.begin, at_noon)

    for _ in range(5):
        await backend.keep(mugs := a_category())
        ends = await ends_of(
            [
                run(partial(stocking.create, STAFF, a_draft(category=mugs))),
                run(partial(curation.delete, STAFF, CategoryId(mugs.id))),
                run(partial(stocking.create, STAFF, a_draft(category=mugs))),
            ]
        )
        assert {*ends} <= {"done", "CategoryNotFound", "InUse"}
        products = await backend.products.page(everything("name"), ProductFilter())
        gone = await backend.categories.find(CategoryId(mugs.id)) is None
        assert not (gone and any(row.category_id == mugs.id for row in products.items))


async def test_of_many_who_make_a_product_of_one_sku_one_succeeds(backend: Backend) -> None:
    run, stocking = Runner(), Stocking(backend.begin, at_noon)
    drafts = [a_draft(sku_text="MUG") for _ in range(10)]

    async def create(number: int) -> None:
        await run(partial(stocking.create, STAFF, drafts[number]))

    assert await ends_of([create(number) for number in range(10)]) == {"done": 1, "SkuTaken": 9}
