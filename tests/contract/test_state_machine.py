"""Whatever is done, in whatever order: nobody can tell the three storages from each other."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final
from uuid import UUID

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from application.catalog.curation import CategoryPatch, Curation
from application.catalog.drafts import Draft, ProductPatch
from application.catalog.inventory import Inventory
from application.catalog.queries import RELEVANCE, InCategory, ProductFilter
from application.catalog.revision import Revision
from application.catalog.stocking import Stocking
from application.content.tagging import Tagging
from application.identity.administration import Administration
from application.identity.registration import NewUser, Registration
from application.ordering.checkout import BasketLine, Checkout
from application.ordering.fulfilment import Fulfilment
from application.shared.idempotency import Answer, RequestKey
from application.shared.pages import Page, PageRequest, Sort
from domain.catalog.category import CategoryId
from domain.catalog.product import ProductId, Sku, sku
from domain.catalog.tag import TagId
from domain.identity.user import Role, UserId
from domain.ordering.order import OrderId, OrderNumber
from domain.ordering.status import OrderStatus
from domain.shared.aggregate import Aggregate
from domain.shared.text import Slug, slug
from tests.builders import (
    BY_HAND,
    NOON,
    PASSWORD,
    PlainHasher,
    a_category,
    a_product,
    a_tag,
    a_user,
    an_actor,
    gbp,
    usd,
)
from tests.contract.side_by_side import Deed, Done, Outcome, Refused, Shop, SideBySide
from tests.contract.walking import walk

DEEPEST_SAVEPOINT: Final = 3
TICK: Final = timedelta(milliseconds=500)
SOMEBODY: Final = UUID(int=1)
STAFF: Final = an_actor(Role.STAFF, UserId(SOMEBODY))
ADMIN: Final = an_actor(Role.ADMIN, UserId(SOMEBODY))

# Few of each, so that they collide.
names: Final = st.sampled_from(["Cups", "Mugs", "mugs", "Äpfel", "_x", "☕ & <Tea>"])
slugs: Final = st.none() | st.sampled_from([slug("cups"), slug("mugs"), slug("tea")])
skus: Final = st.sampled_from([sku("A"), sku("B"), sku("C-1"), sku("D")])
prices: Final = st.sampled_from([gbp("0"), gbp("2.50"), gbp("9999999999.99"), usd("1")])
logins: Final = st.sampled_from(["ada", "Ada", "ADA", "bob", "eve"])
sorts: Final = st.builds(
    Sort, st.sampled_from(["name", "price", "created_at", "updated_at", "stock"]), st.booleans()
)
tagged: Final = st.lists(slugs.filter(bool), max_size=2)
drafts: Final = st.builds(Draft, sku=skus, name=names, price=prices, slug=slugs, stock=st.just(3))
patches: Final = st.fixed_dictionaries(
    {},
    optional={
        "sku": skus,
        "name": names,
        "price": prices,
        "tags": tagged,
        "is_active": st.booleans(),
        "metadata": st.sampled_from([None, {"colour": "red"}, {"colour": None, "size": "L"}]),
    },
)
keys: Final = st.builds(
    RequestKey, st.just(SOMEBODY), st.just("POST"), st.just("/"), st.sampled_from(["1", "2"])
)


class OneShopThreeTimes(RuleBasedStateMachine):
    """Use cases, savepoints around them, objects in hand, and a unit of work around it all."""

    customers: Bundle[UserId] = Bundle("customers")
    categories: Bundle[CategoryId] = Bundle("categories")
    tags: Bundle[TagId] = Bundle("tags")
    products: Bundle[ProductId] = Bundle("products")
    orders: Bundle[OrderId] = Bundle("orders")

    def __init__(self, shops: SideBySide) -> None:
        super().__init__()
        self.shops = shops
        self.now = NOON
        self.depth = 0
        self.dice = Random(0)

    def clock(self) -> datetime:
        return self.now

    def teardown(self) -> None:
        self.end(keep=True)
        assert isinstance(self.shops.do(Shop.audit), Done)

    @invariant()
    def everybody_has_the_same_in_hand(self) -> None:
        self.shops.look_at_hands()

    # The unit of work and its savepoints

    def act(self, deed: Deed) -> Outcome:
        """Do it to each shop, once all that was done before is sent: whose error would it be?"""
        self.nest()
        if not self.sent():
            return Refused("before", None, fatal=False)
        self.now += TICK
        outcome = self.shops.do(deed)
        if isinstance(outcome, Refused) and outcome.fatal:
            self.leave()
        return outcome

    def made(self, deed: Deed) -> MultipleResults[Any] | Any:
        """The id of what was made, if it was."""
        outcome = self.act(deed)
        return outcome.value if isinstance(outcome, Done) else multiple()

    def sent(self) -> bool:
        return self.went_well(self.shops.do(Shop.flush))

    def went_well(self, outcome: Outcome) -> bool:
        """If not, the innermost block is undone, as every block is that an error passes through."""
        if isinstance(outcome, Done):
            return True
        if self.depth and not outcome.fatal:
            self.end_savepoint(keep=False)
        else:
            self.leave()
        return False

    @initialize(dice=st.randoms(note_method_calls=True))
    def there_are_dice(self, dice: Random) -> None:
        self.dice = dice

    def nest(self) -> None:
        """Between any two steps a block may begin or end, which is no step, or it were too rare."""
        match self.dice.choice(["", "", "", "", "savepoint", "savepoint", "keep", "fail", "end"]):
            case "savepoint" if self.depth < DEEPEST_SAVEPOINT:
                if self.went_well(self.shops.do(Shop.set_savepoint)):
                    self.depth += 1
            case "keep" | "fail" as how if self.depth:
                self.end_savepoint(keep=how == "keep")
            case "end":
                self.end(keep=self.dice.random() < 0.75)

    def end_savepoint(self, *, keep: bool) -> None:
        self.depth -= 1
        outcome = self.shops.do(Shop.keep_savepoint if keep else Shop.fail_savepoint)
        if isinstance(outcome, Refused) and outcome.fatal:
            self.leave()

    def end(self, *, keep: bool) -> None:
        while self.depth and keep:
            self.end_savepoint(keep=True)
        if keep and isinstance(self.shops.do(Shop.commit), Done):
            self.shops.do(Shop.contents)
        else:
            self.leave()

    def leave(self) -> None:
        self.depth = 0
        self.shops.do(Shop.leave)
        self.shops.do(Shop.contents)

    # What is there from the beginning

    @initialize(target=customers)
    def there_is_a_customer(self) -> UserId:
        return UserId(self.kept(partial(a_user, username="first")))

    @initialize(target=categories)
    def there_are_categories(self) -> MultipleResults[CategoryId]:
        tea = partial(a_category, name="Tea", slug_text="tea")
        pots = partial(a_category, name="Pots", slug_text="pots")
        return multiple(CategoryId(self.kept(tea)), CategoryId(self.kept(pots)))

    @initialize(target=tags)
    def there_is_a_tag(self) -> TagId:
        return TagId(self.kept(partial(a_tag, name="Tea", slug_text="tea")))

    @initialize(target=products)
    def there_are_products(self) -> MultipleResults[ProductId]:
        mug = partial(a_product, name="Mug", sku_text="A", slug_text="mug", stock=6)
        pot = partial(a_product, name="Pot", sku_text="B", slug_text="pot", stock=6)
        return multiple(ProductId(self.kept(mug)), ProductId(self.kept(pot)))

    def kept(self, make: Callable[[], Aggregate]) -> UUID:
        async def keep(shop: Shop) -> UUID:
            await shop.backend.store(aggregate := make())
            return aggregate.id

        outcome = self.shops.do(keep)
        assert isinstance(outcome, Done)
        id: UUID = outcome.value
        return id

    # Users

    @rule(target=customers, login=logins)
    def register(self, login: str) -> Any:
        async def register(shop: Shop) -> UUID:
            registration = Registration(shop.begin, PlainHasher(), self.clock)
            new = NewUser(username=login, email=f"{login}@example.com", password=PASSWORD)
            user = await registration.register(new)
            return user.id

        return self.made(register)

    @rule(login=logins)
    def look_somebody_up(self, login: str) -> None:
        self.act(lambda shop: shop.work.users.by_login(login))

    @rule(id=customers, name=logins, role=st.none() | st.sampled_from(Role))
    def revise_user(self, id: UserId, name: str, role: Role | None) -> None:
        self.act(
            lambda shop: self.administration(shop).revise(ADMIN, id, {"username": name}, role=role)
        )

    @rule(id=customers, active=st.booleans())
    def activate_or_deactivate(self, id: UserId, active: bool) -> None:
        async def switch(shop: Shop) -> Aggregate:
            administration = self.administration(shop)
            switch = administration.activate if active else administration.deactivate
            return await switch(ADMIN, id)

        self.act(switch)

    @rule(id=customers)
    def delete_user(self, id: UserId) -> None:
        self.act(lambda shop: self.administration(shop).delete(ADMIN, id))

    def administration(self, shop: Shop) -> Administration:
        hasher = PlainHasher()
        registration = Registration(shop.begin, hasher, self.clock)
        return Administration(shop.begin, shop.backend.users, registration, hasher, self.clock)

    # Categories

    @rule(target=categories, name=names, slug=slugs, parent_id=st.none() | categories)
    def create_category(self, name: str, slug: Slug | None, parent_id: CategoryId | None) -> Any:
        async def create(shop: Shop) -> UUID:
            curation = Curation(shop.begin, self.clock)
            category = await curation.create(STAFF, name=name, slug=slug, parent_id=parent_id)
            return category.id

        return self.made(create)

    @rule(
        id=categories,
        name=st.none() | names,
        slug=slugs,
        parent_id=st.none() | st.just(()) | categories,
    )
    def revise_category(
        self, id: CategoryId, name: str | None, slug: Slug | None, parent_id: Any
    ) -> None:
        patch: CategoryPatch = {}
        if name:
            patch["name"] = name
        if slug:
            patch["slug"] = slug
        if parent_id != ():
            patch["parent_id"] = parent_id
        self.act(lambda shop: Curation(shop.begin, self.clock).revise(STAFF, id, patch))

    @rule(id=categories)
    def delete_category(self, id: CategoryId) -> None:
        self.act(lambda shop: Curation(shop.begin, self.clock).delete(STAFF, id))

    @rule(id=categories)
    def climb_about(self, id: CategoryId) -> None:
        async def climb(shop: Shop) -> list[Any]:
            tree = shop.work.categories
            return [await tree.height(id), await tree.children(id), await tree.path(id)]

        self.act(climb)

    # Tags

    @rule(target=tags, name=names, slug=slugs)
    def create_tag(self, name: str, slug: Slug | None) -> Any:
        async def create(shop: Shop) -> UUID:
            return (await Tagging(shop.begin, self.clock).create(STAFF, name=name, slug=slug)).id

        return self.made(create)

    @rule(id=tags)
    def delete_tag(self, id: TagId) -> None:
        self.act(lambda shop: Tagging(shop.begin, self.clock).delete(STAFF, id))

    # Products

    @rule(
        target=products,
        sku=skus,
        slug=slugs,
        name=names,
        price=prices,
        stock=st.integers(0, 5),
        tags=tagged,
        category_id=st.none() | categories,
        is_active=st.sampled_from([True, True, True, False]),
    )
    def create_product(self, **facts: Any) -> Any:
        async def create(shop: Shop) -> UUID:
            return (await Stocking(shop.begin, self.clock).create(STAFF, Draft(**facts))).id

        return self.made(create)

    @rule(drafts=st.lists(drafts, max_size=4), skip=st.booleans())
    def create_products(self, drafts: list[Draft], skip: bool) -> None:
        self.act(lambda shop: Stocking(shop.begin, self.clock).create_all(STAFF, drafts, skip=skip))

    @rule(drafts=st.lists(drafts, min_size=1, max_size=3))
    def add_many_products(self, drafts: list[Draft]) -> None:
        async def add(shop: Shop) -> None:
            many = [draft.new(set(), BY_HAND, at=self.now) for draft in drafts]
            async with shop.begin() as work:
                await work.products.add_many(many)
                await work.commit()

        self.act(add)

    @rule(id=products, changes=patches, category_id=st.none() | categories)
    def revise_product(
        self, id: ProductId, changes: ProductPatch, category_id: CategoryId | None
    ) -> None:
        patch: ProductPatch = {**changes, "category_id": category_id}
        self.act(lambda shop: Revision(shop.begin, self.clock).revise(STAFF, id, patch))

    @rule(rows=st.lists(st.tuples(products, patches), max_size=4), skip=st.booleans())
    def revise_products(self, rows: list[tuple[ProductId, ProductPatch]], skip: bool) -> None:
        self.act(lambda shop: Revision(shop.begin, self.clock).revise_all(STAFF, rows, skip=skip))

    @rule(id=products, draft=drafts, tags=tagged)
    def replace_product(self, id: ProductId, draft: Draft, tags: list[Slug]) -> None:
        whole = replace(draft, tags=tags)
        self.act(lambda shop: Revision(shop.begin, self.clock).replace(STAFF, id, whole))

    @rule(id=products)
    def delete_product(self, id: ProductId) -> None:
        self.act(lambda shop: Revision(shop.begin, self.clock).delete(STAFF, id))

    @rule(id=products)
    def restore_product(self, id: ProductId) -> None:
        self.act(lambda shop: Revision(shop.begin, self.clock).restore(STAFF, id))

    @rule(id=products, change=st.integers(-4, 4), reason=st.none() | names)
    def adjust_stock(self, id: ProductId, change: int, reason: str | None) -> None:
        inventory = partial(Inventory, clock=self.clock)
        self.act(lambda shop: inventory(shop.begin).adjust(STAFF, id, change, reason=reason))

    @rule(id=products, stock=st.integers(0, 6), before=st.none() | st.integers(0, 6))
    def count_stock(self, id: ProductId, stock: int, before: int | None) -> None:
        inventory = partial(Inventory, clock=self.clock)
        self.act(lambda shop: inventory(shop.begin).count(STAFF, id, stock, before=before))

    @rule(ids=st.lists(products, max_size=3), skus=st.lists(skus, max_size=2))
    def lock_products(self, ids: list[ProductId], skus: list[Sku]) -> None:
        self.act(lambda shop: shop.work.products.lock_all(ids, skus))

    # Orders

    @rule(
        target=orders,
        customer_id=customers,
        basket=st.lists(st.tuples(products | skus, st.integers(1, 3)), min_size=1, max_size=3),
        number=st.integers(0, 99),
    )
    def place_order(
        self, customer_id: UserId, basket: list[tuple[ProductId | Sku, int]], number: int
    ) -> Any:
        async def place(shop: Shop) -> UUID:
            checkout = Checkout(shop.begin, self.clock, lambda _: OrderNumber(f"ORD-{number}"))
            lines = [BasketLine(product, quantity) for product, quantity in basket]
            return (await checkout.place(STAFF, lines, customer_id=customer_id)).id

        return self.made(place)

    @rule(id=orders, to=st.sampled_from(OrderStatus))
    def move_order(self, id: OrderId, to: OrderStatus) -> None:
        self.act(lambda shop: Fulfilment(shop.begin, self.clock).move(STAFF, id, to))

    # Objects in hand, which are changed without a word to the storage

    @rule(id=orders)
    def take_an_order_in_hand(self, id: OrderId) -> None:
        async def take(shop: Shop) -> object:
            return shop.take_in_hand(await shop.work.orders.get(id))

        self.act(take)

    @rule(id=products, change=st.integers(-2, 2), new_sku=st.none() | skus)
    def change_a_product_in_hand(self, id: ProductId, change: int, new_sku: Sku | None) -> None:
        async def change_it(shop: Shop) -> None:
            product = await shop.work.products.get(id)
            shop.take_in_hand(product)
            if change < 0:
                product.take(-change, BY_HAND, at=self.now)
            else:
                product.put_back(change, BY_HAND, at=self.now)
            if new_sku:
                product.revise({"sku": new_sku}, at=self.now)

        self.act(change_it)

    # Keys

    @rule(key=keys, body=st.binary(max_size=3), lasts=st.sampled_from([TICK, 100 * TICK]))
    def answer_once(self, key: RequestKey, body: bytes, lasts: timedelta) -> None:
        async def answer(shop: Shop) -> object:
            known = await shop.work.keys.claim(key, at=self.now)
            if known is None:
                new = Answer(request_hash=b"", status=200, headers=(("a", "b"),), body=body)
                await shop.work.keys.keep(key, new, until=self.now + lasts)
            return known

        self.act(answer)

    # Lists

    @rule(
        sort=sorts,
        limit=st.integers(1, 3),
        wanted=st.builds(
            ProductFilter,
            skus=st.just(()) | st.lists(skus).map(tuple),
            tags=tagged.map(tuple),
            in_stock=st.none() | st.booleans(),
            deleted=st.booleans(),
        ),
        category_id=st.none() | categories,
    )
    def walk_through_products(
        self, sort: Sort, limit: int, wanted: ProductFilter, category_id: CategoryId | None
    ) -> None:
        if category_id:
            wanted = replace(wanted, category=InCategory(id=category_id))
        self.look_through(sort, limit, wanted)

    @rule(
        words=st.sampled_from([("mug",), ("cup", "s"), ("a",), ("apfel",), ()]),
        limit=st.integers(1, 3),
    )
    def search_for_products(self, words: tuple[str, ...], limit: int) -> None:
        self.look_through(Sort(RELEVANCE), limit, ProductFilter(words=words))

    def look_through(self, sort: Sort, limit: int, wanted: ProductFilter) -> None:
        async def look(shop: Shop) -> object:
            async def pages(request: PageRequest) -> Page[Any]:
                return await shop.backend.products.page(request, wanted)

            return await walk(pages, sort, limit=limit)

        self.shops.do(look)


def test_nobody_can_tell_the_storages_from_each_other(
    empty_shops: Callable[[], SideBySide],
) -> None:
    @seed(NOON.toordinal())  # the same walks in every run
    def machine() -> OneShopThreeTimes:
        return OneShopThreeTimes(empty_shops())

    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # anything that makes a machine will do
        settings=settings(
            max_examples=35,
            stateful_step_count=40,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=[*HealthCheck],
        ),
    )
