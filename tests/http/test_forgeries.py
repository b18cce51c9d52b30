"""Cursors and tokens are ours alone: changed in whatever way, one is none any more."""

from collections.abc import Iterator
from random import Random
from string import ascii_letters, digits
from typing import Final

from tests.http.api import ATTEMPTS, Api, content, in_memory, problem

ROUNDS: Final = 300
LETTERS: Final = ascii_letters + digits + "-_.=~ "


def changed(text: str) -> Iterator[str]:
    """The text with something wrong in it, in the same ways each time."""
    random = Random(text.count("."))
    for _ in range(ROUNDS):
        at = random.randrange(len(text) - 1)  # the last letter has bits that mean nothing
        other = random.choice(LETTERS.replace(text[at], ""))
        further = random.randrange(at + 1, len(text) + 1)
        yield random.choice(
            (
                text[:at] + other + text[at + 1 :],
                text[:at] + other + text[at:],
                text[:at] + text[further:],
                text[:further] + text[at:],
                text[at:further] + text[:at] + text[further:] if at else text[1:],
            )
        )


@in_memory
async def test_a_cursor_that_was_changed_is_none(api: Api) -> None:
    for _ in range(2):
        await api.product()
    listed = content(await api.nobody.get("/v1/products?limit=1"), 200)
    for cursor in changed(listed["next_cursor"]):
        refused = await api.nobody.get("/v1/products", params={"limit": 1, "cursor": cursor})
        problem(refused, 400, "invalid-cursor")


@in_memory
async def test_an_access_token_that_was_changed_is_nobodys(api: Api) -> None:
    assert api.staff.token is not None
    async with api.unchanged():
        for token in changed(api.staff.token):
            headers = {"Authorization": f"Bearer {token}"}
            refused = await api.nobody.get("/v1/users/me", headers=headers)
            problem(refused, 401, "unauthenticated")


@in_memory
async def test_a_refresh_token_that_was_changed_renews_nothing(api: Api) -> None:
    token = (await api.grant("customer"))["refresh_token"]
    # It may end the session: who has half a token has stolen it.
    async with api.unchanged(but=(*ATTEMPTS, "Session", "outbox")):
        for other in changed(token):
            refused = await api.refresh(other)
            assert refused.status_code in (401, 422), (other, refused.text)
