from collections.abc import Sequence

import pytest

from application.catalog.drafts import Draft
from application.catalog.revision import PatchOfOne, Revision
from application.catalog.stocking import Stocking
from application.content.tagging import Tagging
from application.shared.errors import RowRefused, StaleVersion
from application.shared.pages import PageRequest, Sort
from domain.catalog.product import MOST_TAGS, Product, ProductId
from domain.catalog.tag import TAG_NAME_LENGTH, Tag, TagId, TagNotFound, TagSlugTaken
from domain.identity.user import Role, UserId
from domain.shared.errors import DomainError, Forbidden, InvalidValue
from domain.shared.text import Slug
from tests.builders import NOON, Ticking, a_draft, a_post, a_product, a_tag, a_user, an_actor
from tests.unit.shop import Shop

STAFF = an_actor(Role.STAFF)
TEA, POT = Slug("tea"), Slug("pot")
LATER = Ticking(now=NOON.replace(hour=13))


@pytest.fixture
def tagging(shop: Shop) -> Tagging:
    return Tagging(shop.begin, Ticking())


@pytest.fixture
def stocking(shop: Shop) -> Stocking:
    return Stocking(shop.begin, Ticking())


@pytest.fixture
def revision(shop: Shop) -> Revision:
    return Revision(shop.begin, Ticking())


@pytest.fixture
async def tea(shop: Shop) -> Tag:
    tea = a_tag(name="Tea", slug_text="tea")
    await shop.keep(tea, a_tag(name="Pot", slug_text="pot"))
    return tea


def id_of(product: Product) -> ProductId:
    return ProductId(product.id)


async def counts(shop: Shop) -> dict[str, int]:
    page = await shop.tags.page(PageRequest(sort=Sort("name"), limit=100))
    return {tag.slug: tag.product_count for tag in page.items}


async def test_a_new_tag_gets_the_slug_that_its_name_suggests(shop: Shop, tagging: Tagging) -> None:
    made = await tagging.create(STAFF, name="Green Tea")
    assert (made.name, made.slug, made.created_at, made.version) == (
        "Green Tea",
        "green-tea",
        NOON,
        1,
    )
    assert await counts(shop) == {"green-tea": 0}
    assert shop.events == ["tag.created"]


async def test_a_tag_may_be_given_a_slug_or_have_a_name_that_suggests_none(
    tagging: Tagging,
) -> None:
    assert (await tagging.create(STAFF, name="Tea", slug=Slug("cha"))).slug == "cha"
    first, second = [await tagging.create(STAFF, name="茶") for _ in range(2)]
    assert first.slug.startswith("tag-")
    assert first.slug != second.slug


async def test_no_two_tags_have_the_same_slug(shop: Shop, tagging: Tagging, tea: Tag) -> None:
    for attempt in (
        tagging.create(STAFF, name="TEA!"),
        tagging.create(STAFF, name="Other", slug=TEA),
    ):
        with pytest.raises(TagSlugTaken) as taken:
            await attempt
        assert taken.value.details == {"field": "slug"}
    assert shop.count(Tag) == 2


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x00", "t" * (TAG_NAME_LENGTH + 1)])
async def test_the_name_of_a_tag_is_one_line(shop: Shop, tagging: Tagging, name: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        await tagging.create(STAFF, name=name)
    assert refused.value.details["field"] == "name"
    assert shop.count(Tag) == 0


async def test_a_deleted_tag_is_taken_off_everything(
    shop: Shop, tagging: Tagging, tea: Tag
) -> None:
    pot = next(tag for tag in shop.database.all(Tag) if tag.slug == POT)
    both, deleted, other = a_product(tags=[tea, pot]), a_product(tags=[tea]), a_product(tags=[pot])
    deleted.delete(at=NOON)
    ada = a_user()
    read, unread = a_post(ada, tags=[tea, pot]), a_post(ada, tags=[pot])
    await shop.keep(both, deleted, other, ada, read, unread)
    assert await counts(shop) == {"tea": 1, "pot": 2}

    await Tagging(shop.begin, LATER).delete(STAFF, TagId(tea.id))
    assert [shop.now(one).tags for one in (both, deleted, other)] == [("pot",), (), ("pot",)]
    assert [shop.now(one).version for one in (both, deleted, other)] == [2, 2, 1]
    assert [shop.now(one).tags for one in (read, unread)] == [("pot",), ("pot",)]
    assert [shop.now(one).version for one in (read, unread)] == [2, 1]
    assert shop.now(both).updated_at > NOON
    assert shop.now(read).updated_at > NOON
    assert await counts(shop) == {"pot": 2}
    assert shop.events == ["tag.deleted"]
    with pytest.raises(TagNotFound):
        await tagging.delete(STAFF, TagId(tea.id))


async def test_whoever_saw_an_older_version_deletes_no_tag(
    shop: Shop, tagging: Tagging, tea: Tag
) -> None:
    with pytest.raises(StaleVersion):
        await tagging.delete(STAFF, TagId(tea.id), expected={2})
    assert shop.is_there(tea)
    await tagging.delete(STAFF, TagId(tea.id), expected={1})
    assert not shop.is_there(tea)


async def test_customers_make_and_delete_no_tags(shop: Shop, tagging: Tagging, tea: Tag) -> None:
    customer = an_actor(Role.CUSTOMER)
    for attempt in (
        tagging.create(customer, name="Mug"),
        tagging.delete(customer, TagId(tea.id)),
    ):
        with pytest.raises(Forbidden):
            await attempt
    assert shop.count(Tag) == 2


@pytest.mark.usefixtures("tea")
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ((), ()),
        ((TEA,), ("tea",)),
        ((TEA, POT), ("pot", "tea")),
        ((TEA, POT, TEA), ("pot", "tea")),
    ],
)
async def test_a_product_has_each_of_its_tags_once_by_the_alphabet(
    stocking: Stocking, revision: Revision, given: Sequence[Slug], kept: tuple[str, ...]
) -> None:
    draft = Draft(sku=a_draft().sku, name="Mug", price=a_draft().price, tags=given)
    made = await stocking.create(STAFF, draft)
    assert made.tags == kept
    other = await stocking.create(STAFF, a_draft())
    assert (await revision.revise(STAFF, ProductId(other.id), {"tags": given})).tags == kept


async def test_the_same_tags_in_another_order_are_no_change(
    shop: Shop, revision: Revision, tea: Tag
) -> None:
    pot = next(tag for tag in shop.database.all(Tag) if tag.slug == POT)
    mug = a_product(tags=[tea, pot])
    await shop.keep(mug)
    assert (await revision.revise(STAFF, id_of(mug), {"tags": [TEA, POT, TEA]})).version == 1
    assert shop.events == []


async def test_tags_that_are_not_there_are_named(
    shop: Shop, stocking: Stocking, revision: Revision, tea: Tag
) -> None:
    mug = a_product(tags=[tea])
    await shop.keep(mug)
    unknown = [Slug("zen"), TEA, Slug("cup")]
    draft = Draft(sku=a_draft().sku, name="Mug", price=a_draft().price, tags=unknown)
    for attempt in (
        stocking.create(STAFF, draft),
        revision.revise(STAFF, id_of(mug), {"tags": unknown}),
        revision.replace(STAFF, id_of(mug), draft),
    ):
        with pytest.raises(TagNotFound) as missing:
            await attempt
        assert missing.value.details == {"tags": ["cup", "zen"]}
    assert shop.count(Product) == 1
    assert (shop.now(mug).tags, shop.now(mug).version) == (("tea",), 1)


async def test_a_row_with_an_unknown_tag_is_refused_by_itself(
    shop: Shop, stocking: Stocking, revision: Revision, tea: Tag
) -> None:
    good, bad = a_draft(tags=[tea]), a_draft(tags=[tea, a_tag(slug_text="cup")])
    made, refused = await stocking.create_all(STAFF, [good, bad], skip=True)
    assert isinstance(made, Product)
    assert isinstance(refused, TagNotFound)
    assert made.tags == ("tea",)
    rows: list[PatchOfOne | DomainError] = [
        (id_of(made), {"tags": [POT]}),
        (id_of(made), {"tags": [Slug("cup")]}),
    ]
    results = await revision.revise_all(STAFF, rows, skip=True)
    assert [type(row) for row in results] == [Product, TagNotFound]
    assert shop.now(made).tags == ("pot",)
    with pytest.raises(RowRefused):
        await stocking.create_all(STAFF, [a_draft(), bad], skip=False)
    assert shop.count(Product) == 1


async def test_a_product_has_up_to_fifty_tags(shop: Shop, revision: Revision) -> None:
    tags = [a_tag(slug_text=f"tag-{number}") for number in range(MOST_TAGS + 1)]
    mug = a_product(tags=tags[:MOST_TAGS])
    await shop.keep(*tags, mug)
    assert len(shop.now(mug).tags) == MOST_TAGS
    with pytest.raises(InvalidValue, match="tags are more than 50"):
        await revision.revise(STAFF, id_of(mug), {"tags": [tag.slug for tag in tags]})
    with pytest.raises(InvalidValue, match="tags are more than 50"):
        a_product(tags=tags)
    # The same one again is none more.
    a_product(tags=[*tags[:MOST_TAGS], tags[0]])


async def test_only_products_on_sale_are_counted(shop: Shop, tea: Tag) -> None:
    deleted = a_product(tags=[tea])
    deleted.delete(at=NOON)
    await shop.keep(a_product(tags=[tea]), a_product(tags=[tea], is_active=False), deleted)
    assert await counts(shop) == {"tea": 1, "pot": 0}


async def test_only_published_posts_are_counted(shop: Shop, tea: Tag) -> None:
    ada, archived = a_user(), a_post(tags=[tea], published_at=NOON)
    archived.author_id = UserId(ada.id)
    archived.archive(at=NOON)
    published = [a_post(ada, tags=[tea], published_at=NOON) for _ in range(2)]
    await shop.keep(ada, archived, a_post(ada, tags=[tea]), *published)
    page = await shop.tags.page(PageRequest(sort=Sort("name"), limit=100))
    assert {tag.slug: tag.post_count for tag in page.items} == {"tea": 2, "pot": 0}
