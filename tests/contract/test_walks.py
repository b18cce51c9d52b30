"""Somebody turns the pages of a list while others fill the shop, change it and clear it out."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from application.catalog.queries import RELEVANCE, InCategory, ProductDetails, ProductFilter
from application.catalog.search import MOST_RANKED, Searchable
from application.shared.pages import PageRequest, Sort
from domain.catalog.category import Category, CategoryId
from domain.catalog.product import Product, ProductId
from domain.catalog.tag import Tag
from domain.shared.money import Money
from infrastructure.memory.copying import entity_of, state_of
from infrastructure.sql.catalog.narrowing import MANY
from tests.builders import BY_HAND, NOON, a_category, a_product, a_tag, gbp, usd
from tests.contract.side_by_side import Done, Shop, SideBySide
from tests.contract.steps import having_many, ranking
from tests.contract.test_queries_catalog import PRODUCT_SORTS

CUPS: Final = a_category(slug_text="cups")
MUGS: Final = a_category(slug_text="mugs", below=CUPS)
TEA: Final = a_tag(slug_text="tea")
WORDS: Final = ("tea", "cup")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a product is like; there are few of each, so that many are alike."""

    name: str
    description: str
    price: Money
    stock: int
    shelf: Category | None
    tags: tuple[Tag, ...]
    is_active: bool


@dataclass(frozen=True, slots=True)
class Added:
    facts: Facts


@dataclass(frozen=True, slots=True)
class Changed:
    which: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class Deleted:
    which: int


Deed = Added | Changed | Deleted

anything: Final = st.builds(
    Facts,
    name=st.sampled_from(["Tea cup", "Teacup", "Cups of tea", "Mug", "Ärger"]),
    description=st.sampled_from(["", "A cup for tea", "Cupboard, teapot"]),
    price=st.sampled_from([gbp("1"), gbp("0"), gbp("2"), usd("1")]),
    stock=st.integers(0, 2),
    shelf=st.sampled_from([CUPS, MUGS, None]),
    tags=st.sampled_from([(TEA,), ()]),
    is_active=st.sampled_from([True, True, True, False]),
)
deeds: Final = st.one_of(
    st.builds(Added, anything),
    st.builds(Changed, st.integers(0, 11), anything),
    st.builds(Deleted, st.integers(0, 11)),
)
# Each of them lets many through, or there were no way to go.
filters: Final = st.sampled_from(
    [
        ProductFilter(),
        ProductFilter(words=("tea",)),
        ProductFilter(words=WORDS, in_stock=True),
        ProductFilter(category=InCategory(slug="cups")),
        ProductFilter(category=InCategory(slug="cups"), words=("cup",), is_active=True),
        ProductFilter(category=InCategory(id=CategoryId(MUGS.id), only=True)),
        ProductFilter(tags=(TEA.slug,)),
        ProductFilter(max_price=gbp("1"), is_active=True),
        ProductFilter(words=("te",), deleted=True),
    ]
)
sorts: Final = st.builds(Sort, st.sampled_from([*PRODUCT_SORTS, *[RELEVANCE] * 3]), st.booleans())


class Bustle:
    """The same bustle in every shop, and who had no part in it."""

    def __init__(self, shops: SideBySide, at_first: Sequence[Facts]) -> None:
        self._shops: Final = shops
        self._now = NOON
        self._made = 0
        self.on_file: list[UUID] = []
        self.touched: set[UUID] = set()
        for kept in (CUPS, MUGS, TEA):
            self._do(partial(_keep, partial(entity_of, type(kept), state_of(kept))))
        for number, facts in enumerate(at_first):
            self.act(Added(facts))
            if number % 4 == 3:
                self.act(Deleted(number))
        self.touched.clear()

    def act(self, deed: Deed) -> None:
        self._now += timedelta(seconds=1)
        match deed:
            case Added(facts):
                self._made += 1
                make = partial(_product, facts, self._made, self._now)
                self.on_file.append(self._do(partial(_keep, make)))
            case Changed(which, facts):
                id = self._one(which)
                self._do(partial(_change, id, facts, self._now))
            case Deleted(which):
                id = self._one(which)
                self._do(partial(_delete, id, self._now))

    def look(self, request: PageRequest, wanted: ProductFilter) -> Any:
        return self._do(lambda shop: shop.backend.products.page(request, wanted))

    def _one(self, which: int) -> UUID:
        id = self.on_file[which % len(self.on_file)]
        self.touched.add(id)
        return id

    def _do(self, deed: Callable[[Shop], Any]) -> Any:
        outcome = self._shops.do(deed)
        assert isinstance(outcome, Done)
        return outcome.value


async def _keep(make: Callable[[], Any], shop: Shop) -> UUID:
    await shop.backend.keep(aggregate := make())
    id: UUID = aggregate.id
    return id


def _product(facts: Facts, number: int, at: datetime) -> Product:
    return a_product(
        sku_text=f"NR-{number}",
        slug_text=f"nr-{number}",
        name=facts.name,
        description=facts.description,
        price=facts.price,
        stock=facts.stock,
        is_active=facts.is_active,
        category=facts.shelf,
        tags=facts.tags,
        at=at,
    )


async def _change(id: UUID, facts: Facts, at: datetime, shop: Shop) -> None:
    async with shop.backend.begin() as work:
        [product] = await work.products.lock_all([ProductId(id)])
        product.count(facts.stock, BY_HAND, at=at)
        product.revise(
            {
                "name": facts.name,
                "description": facts.description,
                "price": facts.price,
                "category_id": CategoryId(facts.shelf.id) if facts.shelf else None,
                "tags": tuple(tag.slug for tag in facts.tags),
                "is_active": facts.is_active,
            },
            at=at,
        )
        product.restore(at=at)
        await work.commit()


async def _delete(id: UUID, at: datetime, shop: Shop) -> None:
    async with shop.backend.begin() as work:
        [product] = await work.products.lock_all([ProductId(id)])
        product.delete(at=at)
        await work.commit()


def walk(
    bustle: Bustle, sort: Sort, wanted: ProductFilter, limit: int, meanwhile: Sequence[Deed]
) -> list[ProductDetails]:
    """All that is seen on the way from the first page to the last, with a deed before each turn."""
    to_come = [*meanwhile]
    request = PageRequest(sort=sort, limit=limit)
    seen: list[ProductDetails] = []
    while True:
        page = bustle.look(request, wanted)
        seen += page.items
        if page.next is None:
            return seen
        request = replace(request, after=page.next)
        if to_come:
            bustle.act(to_come.pop())


def place(
    sort: Sort, wanted: ProductFilter, before: Sequence[ProductDetails], most_ranked: int
) -> Callable[[ProductDetails], Any]:
    """Where something stands in the list, of which that is there in the beginning."""
    if sort.field != RELEVANCE:
        return lambda one: (PRODUCT_SORTS[sort.field](one), one.id)
    ranked = sorted(one.id for one in before)[:most_ranked]
    words = wanted.words or ()
    return lambda one: (-score(one, words) if one.id in ranked else 0, one.id)


def score(one: ProductDetails, words: Sequence[str]) -> int:
    found = Searchable.of(name=one.name, sku=one.sku, description=one.description)
    return found.score(words)


@settings(
    max_examples=50,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[*HealthCheck],
)
@seed(NOON.toordinal())  # the same walks in every run
@given(
    at_first=st.lists(anything, min_size=9, max_size=12),
    sort=sorts,
    most_ranked=st.sampled_from([3, MOST_RANKED]),
    many=st.sampled_from([1, 5, MANY]),
    wanted=filters,
    limit=st.integers(1, 2),
    meanwhile=st.lists(deeds, min_size=2, max_size=8),
)
def test_a_walk_shows_each_product_once_that_nobody_touched(
    empty_shops: Callable[[], SideBySide],
    at_first: list[Facts],
    sort: Sort,
    most_ranked: int,
    many: int,
    wanted: ProductFilter,
    limit: int,
    meanwhile: list[Deed],
) -> None:
    if sort.field == RELEVANCE and not wanted.words:
        wanted = replace(wanted, words=("tea",))
    with ranking(most_ranked), having_many(many):
        bustle = Bustle(empty_shops(), at_first)
        before = bustle.look(PageRequest(sort=Sort("name"), limit=100), wanted).items

        seen = walk(bustle, sort, wanted, limit, meanwhile)

    untouched = [one for one in before if one.id not in bustle.touched]
    backwards = sort.descending and sort.field != RELEVANCE
    untouched.sort(key=place(sort, wanted, before, most_ranked), reverse=backwards)
    there_before = {one.id for one in untouched}
    assert [one for one in seen if one.id in there_before] == untouched
    times = Counter(one.id for one in seen if one.id not in bustle.touched)
    assert {*times.values()} <= {1}
