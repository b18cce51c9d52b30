from collections.abc import Callable
from datetime import timedelta
from operator import attrgetter
from typing import Any, Final
from uuid import uuid4

import pytest

from application.identity.queries import (
    Credentials,
    SessionDetails,
    Standing,
    UserDetails,
    UserFilter,
)
from application.shared.pages import Page, PageRequest, Sort
from domain.identity.session import EndReason, SessionId
from domain.identity.user import WORDS_LENGTH, Role, User, UserId
from domain.shared.text import folded
from tests.builders import NOON, a_session, a_user
from tests.contract.backends import Backend
from tests.contract.steps import everything, session_in, user_in
from tests.contract.walking import each_page_is_right, walk

SOON: Final = timedelta(microseconds=1)
DAY: Final = timedelta(days=1)
SORTS: Final[dict[str, Callable[[UserDetails], Any]]] = {
    "created_at": attrgetter("created_at"),
    "username": attrgetter("username"),
}
# By code point capitals come first, and the low line between them and the small letters.
USERNAMES: Final = ("100", "9_9", "Ada", "Zoe", "_ada", "ada_", "ada1", "adA2", "bob", "zoe_")


async def test_a_user_is_found_with_all_that_may_be_known_of_them(backend: Backend) -> None:
    ada = a_user(full_name="Ada Lovelace", role=Role.STAFF)
    bob = a_user(is_active=False)
    await backend.keep(ada, bob)

    assert await backend.users.find(UserId(ada.id)) == UserDetails.of(ada)
    assert await backend.users.find(UserId(bob.id)) == UserDetails.of(bob)
    assert await backend.users.find(UserId(uuid4())) is None


async def test_a_user_is_seen_as_they_are_now(backend: Backend) -> None:
    ada = a_user()
    await backend.keep(ada)
    async with backend.begin() as work:
        user = await user_in(work, ada)
        user.sign_in(at=NOON + timedelta(microseconds=1))
        await work.commit()

    assert await backend.users.find(UserId(ada.id)) == UserDetails.of(user)


@pytest.mark.parametrize(
    "login", ["Ada_L", "aDA_l", "ＡＤＡ_Ｌ", "Ada@Straße.example", "ADA@STRASSE.EXAMPLE"]
)
async def test_credentials_are_found_under_any_spelling(backend: Backend, login: str) -> None:
    ada = a_user(username="Ada_L", email="ada@straße.example", is_active=False)
    await backend.keep(ada, a_user())

    found = await backend.users.credentials(login)
    assert found == Credentials(UserId(ada.id), ada.password_hash, is_active=False)


@pytest.mark.parametrize("login", ["", "nobody", "ada", "ada%", "Ada_L@", "' OR 1=1 --"])
async def test_nobody_has_no_credentials(backend: Backend, login: str) -> None:
    await backend.keep(a_user(username="Ada_L"))
    assert await backend.users.credentials(login) is None


async def matching(backend: Backend, wanted: UserFilter) -> set[str]:
    """The names of those whom the filter lets through."""
    page = await backend.users.page(everything("username"), wanted)
    return {user.username for user in page.items}


def with_words(username: str, words: str) -> User:
    user = a_user(username=username)
    user.words = words
    return user


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("field", SORTS)
async def test_users_are_listed_in_order(backend: Backend, field: str, descending: bool) -> None:
    users = [
        # Some at the same moment, so that their ids decide.
        a_user(username=username, at=NOON + timedelta(microseconds=number // 3))
        for number, username in enumerate(USERNAMES)
    ]
    await backend.keep(*users)

    async def pages(request: PageRequest) -> Page[UserDetails]:
        return await backend.users.page(request, UserFilter())

    rows = [UserDetails.of(user) for user in users]
    await each_page_is_right(pages, rows, Sort(field, descending), SORTS[field])


async def test_a_walk_goes_on_where_it_was_whoever_comes_and_goes(backend: Backend) -> None:
    users = [a_user(username=f"user{number}x") for number in range(6)]
    await backend.keep(*users)
    request = PageRequest(sort=Sort("username"), limit=3)
    first = await backend.users.page(request, UserFilter())

    async with backend.begin() as work:
        for user in users[:3]:
            await work.users.remove(await user_in(work, user))
        await work.commit()
    await backend.keep(a_user(username="user2a"), a_user(username="user2z"))

    rest = await backend.users.page(
        PageRequest(sort=Sort("username"), limit=3, after=first.next, with_total=True),
        UserFilter(),
    )
    assert [user.username for user in rest.items] == ["user2z", "user3x", "user4x"]
    assert (rest.next is not None, rest.total) == (True, 5)


async def test_a_filtered_list_is_walked_and_counted_as_such(backend: Backend) -> None:
    users = [a_user(username=f"user{number}", is_active=number % 2 == 0) for number in range(10)]
    await backend.keep(*users)
    wanted = UserFilter(is_active=True)

    async def pages(request: PageRequest) -> Page[UserDetails]:
        return await backend.users.page(request, wanted)

    seen = await walk(pages, Sort("username", descending=True), limit=2)
    assert [user.username for user in seen] == ["user8", "user6", "user4", "user2", "user0"]
    page = await pages(PageRequest(sort=Sort("username"), limit=1, with_total=True))
    assert page.total == 5


async def test_each_condition_narrows_and_all_of_them_together(backend: Backend) -> None:
    await backend.keep(
        a_user(username="ada", email="ada@straße.example"),
        a_user(username="bob", full_name="Ada Byron", is_active=False),
        a_user(username="cyd", full_name="Cyd Adams", role=Role.STAFF),
        a_user(username="dan", role=Role.STAFF, is_active=False),
        a_user(username="eve", role=Role.ADMIN),
    )

    async def found(**conditions: Any) -> str:
        return " ".join(sorted(await matching(backend, UserFilter(**conditions))))

    assert await found() == "ada bob cyd dan eve"
    assert await found(is_active=True) == "ada cyd eve"
    assert await found(is_active=False) == "bob dan"
    assert await found(role=Role.CUSTOMER) == "ada bob"
    assert await found(role=Role.STAFF) == "cyd dan"
    assert await found(role=Role.ADMIN) == "eve"
    assert await found(email_key=folded("ADA@Straße.Example")) == "ada"
    assert await found(email_key="ada@strasse.exampl") == ""
    assert await found(email_key="ada@straße.example") == ""
    assert await found(email_key="%") == ""
    assert await found(email_key="") == ""
    assert await found(beginnings=("ada",)) == "ada bob cyd"
    assert await found(beginnings=("ada",), is_active=False) == "bob"
    assert await found(beginnings=("ada",), role=Role.STAFF, is_active=True) == "cyd"
    assert await found(role=Role.STAFF, is_active=True, beginnings=("dan",)) == ""


@pytest.mark.parametrize(
    ("beginnings", "expected"),
    [
        ((), "ada bob"),
        (("ada",), "ada"),
        (("love",), "ada"),
        (("lovelace",), "ada"),
        (("lovelaces",), ""),
        (("ovelace",), ""),
        (("a", "l"), "ada"),
        (("l", "a"), "ada"),
        (("ada", "ada"), "ada"),
        (("ada", "bob"), ""),
        (("exam",), "ada bob"),
        (("exam", "b"), "bob"),
        (("exam", "b", "ö"), "bob"),
        (("öz",), "bob"),
        (("oz",), ""),
        (("ο",), "bob"),  # an omicron, and no o
        (("οδος",), ""),
        (("οδοσ",), "bob"),  # every sigma is folded to the same one
        (("strass",), "bob"),
        (("straß",), ""),
        (("李",), "bob"),
        (("四",), ""),
        (("李四",), "bob"),
        (("",), "ada bob"),
    ],
    ids=repr,
)
async def test_each_beginning_is_that_of_some_word(
    backend: Backend, beginnings: tuple[str, ...], expected: str
) -> None:
    await backend.keep(
        a_user(username="ada", email="a@example.com", full_name="Ada King, LOVELACE"),
        a_user(username="bob", email="b@example.com", full_name="Özil Straße ΟΔΟΣ 李四"),
    )
    found = await matching(backend, UserFilter(beginnings=beginnings))
    assert " ".join(sorted(found)) == expected


@pytest.mark.parametrize(
    "beginning", ["%", "_", "\\", "/", "'", '"', "*", "?", "[a-z]", "%%", "a%", "a_c", "a/%", "\\%"]
)
async def test_what_is_special_in_a_pattern_is_text_like_any_other(
    backend: Backend, beginning: str
) -> None:
    await backend.keep(
        with_words("plain", " abc xyz"),
        with_words("there", f" abc {beginning}xyz"),
        with_words("within", f" abc x{beginning}yz"),
    )
    assert await matching(backend, UserFilter(beginnings=(beginning,))) == {"there"}


async def test_the_last_of_a_great_many_words_is_found(backend: Backend) -> None:
    words = (" ab" * WORDS_LENGTH)[: WORDS_LENGTH - 5] + " last"
    await backend.keep(with_words("ada", words), with_words("bob", " blast"))
    assert await matching(backend, UserFilter(beginnings=("last",))) == {"ada"}


async def test_a_user_is_found_by_what_they_are_called_now(backend: Backend) -> None:
    ada = a_user(username="ada", full_name="Ada Byron", email="ada@example.com")
    await backend.keep(ada)
    async with backend.begin() as work:
        user = await user_in(work, ada)
        user.revise({"full_name": "Ada Lovelace", "email": "ada@king.example"}, at=NOON)
        await work.commit()

    assert await matching(backend, UserFilter(beginnings=("byron",))) == set()
    assert await matching(backend, UserFilter(beginnings=("love", "king"))) == {"ada"}
    assert await matching(backend, UserFilter(email_key="ada@example.com")) == set()
    assert await matching(backend, UserFilter(email_key="ada@king.example")) == {"ada"}


async def test_an_open_session_tells_what_its_user_is_now(backend: Backend) -> None:
    ada = a_user(role=Role.STAFF)
    session, _ = a_session(ada)
    await backend.keep(ada, session, a_session(ada)[0])
    id = SessionId(session.id)
    assert await backend.sessions.standing(id, at=NOON) == Standing(UserId(ada.id), Role.STAFF)

    async with backend.begin() as work:
        (await user_in(work, ada)).promote(Role.ADMIN, at=NOON)
        await work.commit()
    standing = await backend.sessions.standing(id, at=NOON)
    assert standing == Standing(UserId(ada.id), Role.ADMIN)
    assert isinstance(standing.role, Role)


async def test_nobody_stands_behind_a_session_that_is_over(backend: Backend) -> None:
    ada, gone = a_user(), a_user(is_active=False)
    expiring, _ = a_session(ada, lifetime=DAY)
    ended, _ = a_session(ada)
    ended.end(EndReason.SIGNED_OUT, at=NOON)
    of_gone, _ = a_session(gone)
    await backend.keep(ada, gone, expiring, ended, of_gone)

    async def stands(id: object, *, at: Any = NOON) -> bool:
        return await backend.sessions.standing(SessionId(id), at=at) is not None  # type: ignore[arg-type]

    assert await stands(expiring.id, at=NOON + DAY - SOON)
    assert not await stands(expiring.id, at=NOON + DAY)
    assert not await stands(ended.id)
    assert not await stands(of_gone.id)
    assert not await stands(uuid4())


async def test_open_sessions_are_shown_the_last_used_first(backend: Backend) -> None:
    ada, bob = a_user(), a_user()
    sessions, tokens = zip(*(a_session(ada, client=f"client {n}") for n in range(5)), strict=True)
    expired, _ = a_session(ada, lifetime=DAY)
    ended, _ = a_session(ada)
    ended.end(EndReason.TOKEN_REUSED, at=NOON)
    nameless, _ = a_session(ada, client=None, at=NOON - DAY)
    await backend.keep(ada, bob, *sessions, expired, ended, nameless, a_session(bob)[0])
    async with backend.begin() as work:
        for number in (3, 1):
            used = await session_in(work, sessions[number])
            used.renew(tokens[number], lifetime=DAY, at=NOON + DAY - number * SOON)
        await work.commit()

    shown = await backend.sessions.open_of(UserId(ada.id), at=NOON + DAY)

    at_noon = sorted((sessions[number] for number in (0, 2, 4)), key=attrgetter("id"), reverse=True)
    in_order = [sessions[1], sessions[3], *at_noon, nameless]
    assert [details.id for details in shown] == [session.id for session in in_order]
    assert shown[0] == SessionDetails(
        id=SessionId(sessions[1].id),
        client="client 1",
        created_at=NOON,
        last_used_at=NOON + DAY - SOON,
    )
    assert shown[-1].client is None


async def test_who_is_signed_in_nowhere_has_no_sessions(backend: Backend) -> None:
    ada = a_user()
    await backend.keep(ada)
    assert [*await backend.sessions.open_of(UserId(ada.id), at=NOON)] == []
    assert [*await backend.sessions.open_of(UserId(uuid4()), at=NOON)] == []
