"""What is found, what is not, and what comes first: the same words on every storage."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

import pytest

from application.catalog.queries import RELEVANCE, ProductDetails, ProductFilter
from application.catalog.search import MOST_RANKED, WORD_LENGTH, words_of_query
from application.shared.pages import Page, PageRequest, Sort
from domain.catalog.category import DESCRIPTION_LENGTH
from domain.catalog.product import PRODUCT_NAME_LENGTH, Product, ProductId
from tests.builders import NOON, a_new_product, a_product
from tests.contract.backends import Backend
from tests.contract.steps import failing, names_found, product_in, ranking
from tests.contract.walking import walk

LONG_WORD: Final = "x" * DESCRIPTION_LENGTH

# By sku: the name and the description.
SHOP: Final = {
    "TEA-100": ("Green tea", "Loose leaves, 100 g"),
    "TEAPOT": ("Teapot", "Holds 4 cups of green tea"),
    "MUG": ("Mug (XL)", "For tea, coffee & more: 100% clay"),
    "CREME": ("Crème brûlée", "A DESSERT for Äpfel_und_Birnen"),
    "STRASSE": ("Straßenkarte", "A map of İstanbul, 1:10000"),
    "QUOTE": ("O'Neill's \"best\" \\ board", "NOT a surfboard OR a skateboard; don't NEAR it"),
    "KINDS": ("ＦＵＬＬ　ｗｉｄｔｈ", "the ﬁrst ½ of x² at 5 ℃"),
    "CYRILLIC": ("Чайник", "Для чая, ёлки"),
    "GREEK": ("Ποτήρι", "ΟΔΟΣ και οδός"),
    "CJK": ("緑茶", "日本の茶"),
    "HANGUL": ("녹차 한잔", "따뜻한"),
    "HEBREW": ("תֵּה", "ספל תה"),
    "ARABIC": ("شاي", "كوب شاي أخضر"),
    "HINDI": ("किताब", "चाय का कप"),
    "THAI": ("ถ้วยชา", "น้ำชา"),
    "MARKS": ("🍵☕ !!! ---", "… — “”"),
    "LONG": ("A long word", LONG_WORD),
}

# What somebody types, and the skus of what is found, the best first and then the oldest.
FOUND: Final[dict[str, list[str]]] = {
    # words, wherever they stand, and their beginnings
    "tea": ["TEA-100", "TEAPOT", "MUG"],
    "TEA": ["TEA-100", "TEAPOT", "MUG"],
    "te": ["TEA-100", "TEAPOT", "MUG"],
    "green tea": ["TEA-100", "TEAPOT"],
    "tea green tea": ["TEA-100", "TEAPOT"],
    "tea coffee": ["MUG"],
    "ea": [],
    "teas": [],
    "tea juice": [],
    # skus, whole and in parts
    "tea-100": ["TEA-100", "MUG"],
    "TEAPOT": ["TEAPOT"],
    "tea 100 loose": ["TEA-100"],
    "100": ["TEA-100", "MUG", "STRASSE"],
    # case, accents, width and other spellings
    "creme": ["CREME"],
    "CRÈME BRULEE": ["CREME"],
    "cre\u0300me bru\u0302le\u0301e": ["CREME"],
    "apfel": ["CREME"],
    "birnen": ["CREME"],
    "strasse": ["STRASSE"],
    "STRAẞEN": ["STRASSE"],
    "istanbul": ["STRASSE"],
    "ISTANBUL": ["STRASSE"],
    "full width": ["KINDS"],
    "ｆｕｌｌ": ["KINDS"],
    "first": ["KINDS"],
    "x2": ["KINDS"],
    "чайник": ["CYRILLIC"],
    "ЧАЙ": ["CYRILLIC"],
    "елки": ["CYRILLIC"],
    "ποτηρι": ["GREEK"],
    "οδοσ": ["GREEK"],
    "ΟΔΌΣ": ["GREEK"],
    "緑": ["CJK"],
    "緑茶": ["CJK"],
    "茶": [],
    "녹차": ["HANGUL"],
    "한": ["HANGUL"],
    "תה": ["HEBREW"],
    "شاي": ["ARABIC"],
    "किताब": ["HINDI"],
    "किता": ["HINDI"],
    "चाय": ["HINDI"],
    "कप": ["HINDI"],
    "ताब": [],
    "ถ้วย": ["THAI"],
    "น้ำชา": ["THAI"],
    # what is no word says nothing, and nothing else than a word is understood
    "mug (xl)": ["MUG"],
    "100%": ["TEA-100", "MUG", "STRASSE"],
    "tea & coffee": ["MUG"],
    "o'neill's": ["QUOTE"],
    "o'n": ["QUOTE"],
    '"best" board': ["QUOTE"],
    "board\\": ["QUOTE"],
    "don't": ["QUOTE"],
    "not or near": ["QUOTE"],
    "tea OR coffee": [],
    "tea AND coffee": [],
    "tea NOT coffee": [],
    "NEAR(tea coffee)": [],
    "NEAR": ["QUOTE"],
    "near(": ["QUOTE"],
    "t*": ["TEA-100", "TEAPOT", "THAI", "QUOTE", "MUG", "KINDS"],
    "*ea": [],
    "t_a": ["QUOTE", "KINDS"],
    "%ea%": [],
    "_": [],
    "%": [],
    "*": [],
    '"': [],
    "'": [],
    "\\": [],
    "-": [],
    "---": [],
    ":": [],
    "^": [],
    "": [],
    "   \t\n": [],
    "!!! 🍵": [],
    "\u200b\u2028\ufeff\u202e": [],
    "\u0301": [],
    "name:tea": [],
    "name : tea": [],
    "-tea": ["TEA-100", "TEAPOT", "MUG"],
    "tea:*": ["TEA-100", "TEAPOT", "MUG"],
    "tea:A": [],
    "{name}": [],
    "product_id": [],
    "tea') OR ('": [],
    "tea | mug": ["MUG"],
    "!tea": ["TEA-100", "TEAPOT", "MUG"],
    "<->": [],
    # of what is long, the beginning
    LONG_WORD: ["LONG"],
    LONG_WORD[:WORD_LENGTH]: ["LONG"],
    LONG_WORD[: WORD_LENGTH - 1]: ["LONG"],
    LONG_WORD[:WORD_LENGTH] + "y": ["LONG"],
    LONG_WORD[: WORD_LENGTH - 1] + "y": [],
    "tea " * 5_000: ["TEA-100", "TEAPOT", "MUG"],
    "a 1 2 3 4 5 6 7 8 9 tea": [],
    "tea 4 tea 4 tea cups": ["TEAPOT"],
}


def by_relevance(query: str, *, is_active: bool | None = None) -> tuple[PageRequest, ProductFilter]:
    request = PageRequest(sort=Sort(RELEVANCE), limit=100, with_total=True)
    return request, ProductFilter(words=words_of_query(query), is_active=is_active)


async def skus_found(backend: Backend, query: str) -> list[str]:
    page = await backend.products.page(*by_relevance(query))
    assert page.total == len(page.items)
    return [one.sku for one in page.items]


async def test_everybody_finds_what_was_meant_and_nothing_else(backend: Backend) -> None:
    async with backend.begin() as work:
        for number, (sku_text, (name, description)) in enumerate(SHOP.items()):
            at = NOON + timedelta(seconds=number)
            work.products.add(
                a_product(sku_text=sku_text, name=name, description=description, at=at)
            )
        await work.commit()

    found = {query: await skus_found(backend, query) for query in FOUND}
    assert {query: skus for query, skus in found.items() if skus != FOUND[query]} == {}


async def test_each_word_is_worth_most_in_the_name_and_most_as_a_whole(backend: Backend) -> None:
    begins_in_description = a_product(name="1", description="teapots and mugs")
    in_description = a_product(name="2", description="teapots mug tea")
    begins_in_name = a_product(name="3 teapot", description="tea")
    in_name = a_product(name="4 tea", description="teapots")
    in_sku = a_product(name="5", sku_text="TEA")
    products = [begins_in_description, in_description, begins_in_name, in_name, in_sku]
    await backend.keep(*products)

    page = await backend.products.page(*by_relevance("tea"))
    assert [one.id for one in page.items] == [
        *sorted([in_name.id, in_sku.id]),
        begins_in_name.id,
        in_description.id,
        begins_in_description.id,
    ]
    both = await backend.products.page(*by_relevance("mug tea"))
    assert [one.id for one in both.items] == [in_description.id, begins_in_description.id]


async def test_a_renamed_product_is_found_by_its_new_name_alone(backend: Backend) -> None:
    mug = a_product(name="Mug", sku_text="OLD-SKU", description="of clay")
    await backend.keep(mug)

    async def found() -> set[str]:
        queries = ("mug", "cup", "old", "new", "clay", "steel")
        return {query for query in queries if await skus_found(backend, query)}

    async with backend.begin() as work:
        product = await product_in(work, mug)
        product.revise({"name": "Cup"}, at=NOON)
        await work.flush()
        product.revise({"name": "New cup", "description": "of steel"}, at=NOON)
        await work.flush()
        async with failing(work.savepoint()):
            product.revise({"name": "Pot"}, at=NOON)
        assert await found() == {"mug", "old", "clay"}
        await work.commit()
    assert await found() == {"cup", "old", "new", "steel"}

    async with backend.begin() as work:
        product = await product_in(work, mug)
        product.sku = a_product(sku_text="X").sku
        product.revise({"name": "Cup"}, at=NOON)
        await work.commit()
    assert await found() == {"cup", "steel"}


async def test_a_product_that_was_made_and_renamed_in_one_go_is_found_once(
    backend: Backend,
) -> None:
    mug = a_product(name="Mug")
    async with backend.begin() as work:
        work.products.add(mug)
        await work.flush()
        mug.revise({"name": "Cup"}, at=NOON)
        await work.commit()
    assert await skus_found(backend, "cup") == [mug.sku]
    assert await skus_found(backend, "mug") == []


async def test_deleted_products_are_found_by_those_who_look_for_them_until_they_are_restored(
    backend: Backend,
) -> None:
    mug = a_product(name="Mug")
    await backend.keep(mug)
    query = ("mug",)
    async with backend.begin() as work:
        (await product_in(work, mug)).delete(at=NOON)
        await work.commit()
    assert await names_found(backend, ProductFilter(words=query)) == set()
    assert await names_found(backend, ProductFilter(words=query, deleted=True)) == {"Mug"}

    async with backend.begin() as work:
        [product] = await work.products.lock_all([ProductId(mug.id)])
        product.restore(at=NOON)
        await work.commit()
    assert await names_found(backend, ProductFilter(words=query)) == {"Mug"}
    assert await names_found(backend, ProductFilter(words=query, deleted=True)) == set()


async def test_what_was_not_committed_is_not_found(backend: Backend) -> None:
    async with backend.begin() as work:
        work.products.add(a_product(name="Mug"))
        await work.flush()
    async with backend.begin() as work:
        async with failing(work.savepoint()):
            work.products.add(a_product(name="Mug"))
        await work.commit()
    assert await skus_found(backend, "mug") == []


async def test_a_product_with_all_the_words_it_can_have_is_found(backend: Backend) -> None:
    # Of the longest letters in UTF-8, and one that becomes eighteen of them.
    description = " ".join(f"𝒳{number:04x}" for number in range(DESCRIPTION_LENGTH // 6))
    wide = "\ufdfa" * DESCRIPTION_LENGTH
    await backend.keep(
        a_product(sku_text="MANY", name="🎉" * PRODUCT_NAME_LENGTH, description=description),
        a_product(sku_text="WIDE", description=wide),
        a_product(sku_text="THICK", description="𠀀" * DESCRIPTION_LENGTH),
    )
    assert await skus_found(backend, "𝒳0005 x0000") == ["MANY"]
    assert await skus_found(backend, "𠀀") == ["THICK"]
    assert await skus_found(backend, "\ufdfa") == ["WIDE"]


@pytest.fixture
def few_are_ranked() -> Iterator[int]:
    """As many matches as are ranked."""
    few = 5
    with ranking(few):
        yield few


async def test_of_very_many_the_oldest_are_ranked_and_all_of_them_are_shown(
    backend: Backend, few_are_ranked: int
) -> None:
    products = [a_product(name=f"{'Tea' if n % 2 else 'Teapot'} {n:02}") for n in range(12)]
    await backend.keep(*products)
    oldest = sorted(products, key=lambda one: one.id)
    ranked, others = oldest[:few_are_ranked], oldest[few_are_ranked:]
    best_first = sorted(ranked, key=lambda one: (one.name.startswith("Teapot"), one.id))

    await walks_show(backend, "tea", [*best_first, *others])


async def test_as_many_as_are_ranked_are_all_ranked(backend: Backend, few_are_ranked: int) -> None:
    names = ["Teapot", "Tea"] * few_are_ranked
    products = [a_product(name=name) for name in names[:few_are_ranked]]
    await backend.keep(*products, a_product(name="Mug"))
    await walks_show(
        backend, "tea", sorted(products, key=lambda one: (one.name == "Teapot", one.id))
    )


async def test_only_what_passes_the_filter_counts_among_the_ranked(
    backend: Backend, few_are_ranked: int
) -> None:
    hidden = [a_product(name="Tea", is_active=False) for _ in range(few_are_ranked)]
    shown = [a_product(name="Teapot"), a_product(name="Tea")]
    await backend.keep(*hidden, *shown)
    page = await backend.products.page(*by_relevance("tea", is_active=True))
    assert [one.name for one in page.items] == ["Tea", "Teapot"]


async def walks_show(backend: Backend, query: str, expected: Sequence[Product]) -> None:
    """In pages of any size, from any place."""
    words = words_of_query(query)

    async def pages(request: PageRequest) -> Page[ProductDetails]:
        return await backend.products.page(request, ProductFilter(words=words))

    ids = [one.id for one in expected]
    for limit in (1, 2, 4, 5, 6, len(ids), len(ids) + 1):
        assert [one.id for one in await walk(pages, Sort(RELEVANCE), limit=limit)] == ids
    for offset in range(len(ids) + 1):
        request = PageRequest(sort=Sort(RELEVANCE), limit=3, offset=offset, with_total=True)
        page = await pages(request)
        assert [one.id for one in page.items] == ids[offset : offset + 3]
        assert page.total == len(ids)


async def test_a_thousand_and_one_are_shown_each_once(backend: Backend) -> None:
    products = [a_new_product(name=f"Tea {number % 7}") for number in range(MOST_RANKED + 1)]
    async with backend.begin() as work:
        await work.products.add_many(products)
        await work.commit()

    async def pages(request: PageRequest) -> Page[ProductDetails]:
        return await backend.products.page(request, ProductFilter(words=("tea",)))

    seen = [one.id for one in await walk(pages, Sort(RELEVANCE), limit=100)]
    assert seen == sorted(one.id for one in products)
