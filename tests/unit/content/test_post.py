from datetime import timedelta
from typing import Any, Final

import pytest

from domain.catalog.product import MOST_TAGS
from domain.content.post import CONTENT_LENGTH, TITLE_LENGTH, Post, PostChanges
from domain.content.status import TRANSITIONS, InvalidTransition, PostStatus
from domain.shared.errors import InvalidValue
from tests.builders import NOON, a_post, a_tag

LATER: Final = NOON + timedelta(hours=1)
ALLOWED: Final = {
    ("draft", "published"),
    ("draft", "archived"),
    ("published", "archived"),
    ("archived", "published"),
}


def events(post: Post) -> list[str]:
    return [recorded.event.name for recorded in post.release_events()]


@pytest.mark.parametrize("now", PostStatus)
@pytest.mark.parametrize("target", PostStatus)
def test_a_post_goes_where_the_table_leads_and_nowhere_else(
    now: PostStatus, target: PostStatus
) -> None:
    if (now, target) in ALLOWED:
        assert now.to(target) is target
        return
    with pytest.raises(InvalidTransition, match=f"that is {now} cannot become {target}") as refused:
        now.to(target)
    assert refused.value.details == {"from": now, "to": target, "allowed": [*now.next]}


def test_the_table_has_a_row_for_every_status_and_leads_back_to_no_draft() -> None:
    assert TRANSITIONS.keys() == {*PostStatus}
    assert all(PostStatus.DRAFT not in targets for targets in TRANSITIONS.values())


def test_a_new_post_is_a_draft_that_nobody_has_read() -> None:
    post = a_post(title="Tea", content="Hot.")
    assert (post.status, post.view_count, post.published_at) == (PostStatus.DRAFT, 0, None)
    assert (post.created_at, post.updated_at) == (NOON, NOON)
    assert events(post) == ["post.created"]


def test_a_post_keeps_the_date_when_it_was_first_published() -> None:
    post = a_post()
    post.publish(at=LATER)
    assert (post.status, post.published_at, post.updated_at) == ("published", LATER, LATER)
    again = LATER + timedelta(days=1)
    post.archive(at=again)
    assert (post.status, post.published_at, post.updated_at) == ("archived", LATER, again)
    post.publish(at=again + timedelta(days=1))
    assert (post.status, post.published_at) == ("published", LATER)
    assert events(post) == ["post.created", "post.published", "post.archived", "post.published"]


def test_what_cannot_be_published_or_archived_stays_as_it_is() -> None:
    published, archived = a_post(published_at=NOON), a_post()
    archived.archive(at=NOON)
    for post, move in ((published, published.publish), (archived, archived.archive)):
        post.release_events()
        with pytest.raises(InvalidTransition):
            move(at=LATER)
        assert (post.updated_at, events(post)) == (NOON, [])
    assert archived.published_at is None


def test_a_revision_changes_what_is_named_and_differs() -> None:
    tea, pot = a_tag(slug_text="tea"), a_tag(slug_text="pot")
    post = a_post(title="Tea", content="Hot.", tags=[tea, pot])
    post.release_events()
    post.revise({"title": "Tea", "tags": (tea.slug, pot.slug, tea.slug)}, at=LATER)
    assert (post.updated_at, events(post)) == (NOON, [])
    post.revise({"title": "Tea pots", "content": "Hot.", "tags": [tea.slug]}, at=LATER)
    assert (post.title, post.content, post.tags) == ("Tea pots", "Hot.", ("tea",))
    assert post.updated_at == LATER
    [recorded] = post.release_events()
    assert recorded.event.name == "post.changed"
    assert getattr(recorded.event, "fields", None) == ("title", "tags")


BAD: Final[dict[str, Any]] = {
    "title": ["", " ", "a\nb", "\x00", "t" * (TITLE_LENGTH + 1)],
    "content": ["\x00", "\ud800", "c" * (CONTENT_LENGTH + 1)],
    "tags": [[f"tag-{n}" for n in range(MOST_TAGS + 1)]],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD.items() for value in values]
)
def test_what_does_not_fit_is_refused_and_nothing_changed(field: str, value: Any) -> None:
    post = a_post(title="Tea", content="Hot.")
    post.release_events()
    changes: PostChanges = {"title": "Other", "content": "Other"}
    changes[field] = value  # type: ignore[literal-required]
    with pytest.raises(InvalidValue) as refused:
        post.revise(changes, at=LATER)
    assert refused.value.details["field"] == field
    assert (post.title, post.content, post.tags, events(post)) == ("Tea", "Hot.", (), [])


def test_the_longest_title_and_content_fit() -> None:
    post = a_post(title="😀" * TITLE_LENGTH, content="\t\n" * (CONTENT_LENGTH // 2))
    assert (len(post.title), len(post.content)) == (TITLE_LENGTH, CONTENT_LENGTH)
