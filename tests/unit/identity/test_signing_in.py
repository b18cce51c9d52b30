from collections.abc import Awaitable, Callable
from types import TracebackType

import pytest

from application.identity.actor import OPERATOR
from application.identity.ports import Holder
from application.identity.queries import UserDetails
from application.identity.registration import NO_PASSWORD
from application.identity.signing_in import InvalidCredentials
from domain.identity.attempts import TooManyAttempts
from domain.identity.session import CLIENT_LENGTH, RefreshToken, Session, SessionId
from domain.identity.user import User, UserId
from infrastructure.memory.copying import state_of
from infrastructure.memory.unit_of_work import MemoryUnitOfWork
from tests.builders import NOON, PASSWORD, a_session, a_user, actor_of
from tests.unit.identity.desk import SESSION_LIFETIME, WRONG, Desk
from tests.unit.shop import Shop


@pytest.mark.parametrize(
    "login", ["ada", "ADA", "ａｄａ", "ada@example.com", "ADA@example.COM", "ａｄａ@example.com"]
)
async def test_a_user_signs_in_by_name_or_address_in_any_spelling(desk: Desk, login: str) -> None:
    ada = await desk.user("ada")
    grant = await desk.sign_in(login)
    session = desk.session_of(grant)
    assert session.user_id == ada.id
    assert desk.tokens.holder(grant.access_token) == Holder(UserId(ada.id), SessionId(session.id))
    assert grant.expires_in == desk.tokens.lifetime


async def test_the_last_time_of_signing_in_is_kept(desk: Desk) -> None:
    ada = await desk.user("ada")
    desk.clock.move(minutes=5)
    await desk.sign_in("ada")
    assert desk.shop.now(ada).last_login_at == desk.clock()
    assert desk.shop.now(ada).updated_at == NOON


async def test_a_password_may_be_typed_on_another_keyboard(desk: Desk) -> None:
    await desk.shop.keep(a_user(username="ada", password="Caf\u00e9 1234"))
    await desk.sign_in("ada", "Cafe\u0301 1234")


async def test_every_failure_to_sign_in_looks_alike_and_costs_the_same(desk: Desk) -> None:
    ada = await desk.user("ada")
    gone = await desk.user("gone", is_active=False)
    new = a_user(username="new")
    new.password_hash = NO_PASSWORD
    await desk.shop.keep(new)

    failures = []
    for login, password in [
        ("nobody", PASSWORD),
        ("ada", WRONG),
        ("gone", PASSWORD),
        ("new", PASSWORD),
    ]:
        with pytest.raises(InvalidCredentials) as failed:
            await desk.sign_in(login, password)
        failures.append((failed.value.code, str(failed.value)))

    assert {*failures} == {("invalid-credentials", "")}
    assert desk.hasher.asked == [None, ada.password_hash, gone.password_hash, NO_PASSWORD]
    assert desk.shop.count(Session) == 0
    for user in (ada, gone, new):
        assert desk.shop.now(user).last_login_at is None


async def test_each_sign_in_is_a_session_of_its_own(desk: Desk) -> None:
    ada = await desk.user("ada")
    first = await desk.sign_in(client="phone")
    second = await desk.sign_in(client="x" * 5_000)
    sessions = [desk.session_of(first), desk.session_of(second)]
    assert sessions[0].id != sessions[1].id
    assert [session.client for session in sessions] == ["phone", "x" * CLIENT_LENGTH]
    assert {session.expires_at for session in sessions} == {NOON + SESSION_LIFETIME}
    assert {session.user_id for session in sessions} == {ada.id}
    assert desk.shop.events == ["session.opened", "session.opened"]


async def test_no_secret_is_stored_or_told(desk: Desk) -> None:
    await desk.user("ada")
    grant = await desk.sign_in()
    secret = grant.refresh_token.partition(".")[2]
    assert len(secret) > 40
    assert secret not in repr(state_of(desk.session_of(grant)))
    assert secret not in repr(desk.shop.database.outbox)


async def test_signing_in_forgets_the_sessions_that_have_expired(desk: Desk) -> None:
    ada, bob = await desk.user("ada"), await desk.user("bob")
    old, _ = a_session(ada)
    another, _ = a_session(bob)
    await desk.shop.keep(old, another)
    desk.clock.move(days=30)
    grant = await desk.sign_in("ada")
    assert not desk.shop.is_there(old)
    assert desk.shop.is_there(another)
    assert desk.session_of(grant).is_open(at=desk.clock())


async def test_a_password_is_hashed_anew_when_the_parameters_have_changed(desk: Desk) -> None:
    ada = await desk.user("ada")
    desk.hasher.parameters = "newer"
    await desk.sign_in()
    stored = desk.shop.now(ada)
    assert stored.password_hash == f"newer:{PASSWORD}"
    assert stored.updated_at == NOON
    assert "user.password_changed" not in desk.shop.events
    await desk.sign_in()
    assert desk.shop.now(ada).password_hash == f"newer:{PASSWORD}"


async def test_a_wrong_password_is_never_hashed_anew(desk: Desk) -> None:
    ada = await desk.user("ada")
    desk.hasher.parameters = "newer"
    await desk.guess()
    assert desk.shop.now(ada).password_hash == f"plain:{PASSWORD}"


async def deactivate(desk: Desk, ada: User) -> None:
    await desk.administration.deactivate(OPERATOR, UserId(ada.id))


async def change_password(desk: Desk, ada: User) -> None:
    await desk.administration.set_password(OPERATOR, UserId(ada.id), "Another horse 9")


async def delete(desk: Desk, ada: User) -> None:
    await desk.administration.delete(OPERATOR, UserId(ada.id))


@pytest.mark.parametrize("happens", [deactivate, change_password, delete])
async def test_what_happens_to_a_user_while_their_password_is_hashed_counts(
    desk: Desk, happens: Callable[[Desk, User], Awaitable[None]]
) -> None:
    ada = await desk.user("ada")

    async def meanwhile() -> None:
        desk.hasher.meanwhile = None
        await happens(desk, ada)

    desk.hasher.meanwhile = meanwhile
    with pytest.raises(InvalidCredentials):
        await desk.sign_in("ada", PASSWORD)
    assert desk.shop.count(Session) == 0
    assert "session.opened" not in desk.shop.events


@pytest.mark.parametrize("happens", [deactivate, change_password])
async def test_such_an_attempt_counts_as_a_failure(
    desk: Desk, happens: Callable[[Desk, User], Awaitable[None]]
) -> None:
    ada = await desk.user("ada")

    async def meanwhile() -> None:
        desk.hasher.meanwhile = None
        await happens(desk, ada)

    for _ in range(4):
        await desk.guess()
    desk.hasher.meanwhile = meanwhile
    with pytest.raises(InvalidCredentials):
        await desk.sign_in("ada", PASSWORD)
    with pytest.raises(TooManyAttempts):
        await desk.sign_in("ada", PASSWORD)


async def test_by_name_and_by_address_it_is_the_same_user_who_is_guessed(desk: Desk) -> None:
    await desk.user("ada")
    for _ in range(5):
        await desk.guess()
    with pytest.raises(TooManyAttempts):
        await desk.sign_in("ada@example.com", PASSWORD)


async def test_nothing_is_open_while_a_password_is_hashed(shop: Shop) -> None:
    happened: list[str] = []

    class Watched(MemoryUnitOfWork):
        async def __aenter__(self) -> "Watched":
            happened.append("begin")
            return await super().__aenter__()

        async def __aexit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            trace: TracebackType | None,
        ) -> None:
            happened.append("end")
            await super().__aexit__(kind, error, trace)

    class WatchedShop(Shop):
        def begin(self) -> MemoryUnitOfWork:
            return Watched(self.database)

    async def hashing() -> None:
        happened.append("hash")

    desk = Desk(WatchedShop(shop.database))
    await shop.keep(a_user(username="ada"))
    desk.hasher.meanwhile = hashing
    await desk.sign_in()
    assert happened == ["begin", "end", "hash", "begin", "end"]


async def test_a_refresh_token_is_exchanged_for_the_next(desk: Desk) -> None:
    await desk.user("ada")
    first = await desk.sign_in()
    desk.clock.move(days=20)
    second = await desk.signing_in.with_refresh_token(first.refresh_token)
    desk.clock.move(days=20)
    third = await desk.signing_in.with_refresh_token(second.refresh_token)
    assert desk.tokens.holder(third.access_token) == desk.tokens.holder(first.access_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert desk.session_of(third).last_used_at == desk.clock()
    assert desk.shop.count(Session) == 1


async def test_a_refresh_token_used_twice_ends_the_session_although_it_is_refused(
    desk: Desk,
) -> None:
    await desk.user("ada")
    first = await desk.sign_in()
    second = await desk.signing_in.with_refresh_token(first.refresh_token)
    with pytest.raises(InvalidCredentials):
        await desk.signing_in.with_refresh_token(first.refresh_token)
    assert desk.session_of(first).ended_at == desk.clock()
    with pytest.raises(InvalidCredentials):
        await desk.signing_in.with_refresh_token(second.refresh_token)
    assert desk.shop.events == ["session.opened", "session.ended"]
    assert desk.shop.database.outbox[-1].payload["reason"] == "refresh token used twice"


async def test_the_end_of_one_session_is_not_the_end_of_the_others(desk: Desk) -> None:
    await desk.user("ada")
    stolen, other = await desk.sign_in(), await desk.sign_in()
    await desk.signing_in.with_refresh_token(stolen.refresh_token)
    with pytest.raises(InvalidCredentials):
        await desk.signing_in.with_refresh_token(stolen.refresh_token)
    await desk.signing_in.with_refresh_token(other.refresh_token)


async def test_a_session_that_is_not_used_expires(desk: Desk) -> None:
    await desk.user("ada")
    grant = await desk.sign_in()
    desk.clock.move(days=30)
    with pytest.raises(InvalidCredentials):
        await desk.signing_in.with_refresh_token(grant.refresh_token)


async def test_what_is_no_refresh_token_is_exchanged_for_nothing(desk: Desk) -> None:
    ada = await desk.user("ada")
    grant = await desk.sign_in()
    nobodys = str(a_session(ada)[1])
    for text in ("", "nonsense", grant.access_token, nobodys):
        with pytest.raises(InvalidCredentials) as failed:
            await desk.signing_in.with_refresh_token(text)
        assert failed.value.code == "invalid-credentials"
    assert desk.session_of(grant).is_open(at=desk.clock())


@pytest.mark.parametrize("which", ["refresh_token", "access_token"])
async def test_either_token_may_be_given_back(desk: Desk, which: str) -> None:
    await desk.user("ada")
    grant, other = await desk.sign_in(), await desk.sign_in()
    await desk.signing_in.revoke(getattr(grant, which))
    await desk.signing_in.revoke(getattr(grant, which))
    assert desk.session_of(grant).ended_at == desk.clock()
    assert desk.session_of(other).ended_at is None
    assert desk.shop.events == ["session.opened", "session.opened", "session.ended"]
    assert desk.shop.database.outbox[-1].payload["reason"] == "signed out"


async def test_to_give_back_nothing_ends_nothing(desk: Desk) -> None:
    await desk.user("ada")
    grant = await desk.sign_in()
    guess = str(RefreshToken(SessionId(desk.session_of(grant).id), "guess"))
    for text in ("", "nonsense", guess, str(a_session(a_user())[1])):
        await desk.signing_in.revoke(text)
    assert desk.session_of(grant).ended_at is None


async def test_a_session_is_ended_by_its_owner_alone(desk: Desk) -> None:
    ada, bob = await desk.user("ada"), await desk.user("bob")
    grant = await desk.sign_in("ada")
    id = SessionId(desk.session_of(grant).id)
    assert not await desk.signing_in.end_session(actor_of(bob), id)
    assert desk.session_of(grant).ended_at is None
    assert await desk.signing_in.end_session(actor_of(ada), id)
    assert not await desk.signing_in.end_session(actor_of(ada), id)
    assert desk.session_of(grant).ended_at == desk.clock()


async def test_signing_out_everywhere_leaves_others_alone(desk: Desk) -> None:
    ada = await desk.user("ada")
    await desk.user("bob")
    phone, laptop, bobs = await desk.sign_in(), await desk.sign_in(), await desk.sign_in("bob")
    await desk.signing_in.end_all(actor_of(ada))
    assert [desk.session_of(grant).ended_at for grant in (phone, laptop, bobs)] == [
        desk.clock(),
        desk.clock(),
        None,
    ]


def test_what_is_shown_of_a_user_has_no_hash() -> None:
    user = a_user(password="Secret horse 1")
    assert "Secret" not in repr(UserDetails.of(user))
