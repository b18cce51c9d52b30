from datetime import timedelta
from hashlib import sha256

import pytest

from domain.identity.events import SessionEnded, SessionOpened
from domain.identity.session import CLIENT_LENGTH, EndReason, RefreshToken, Session, SessionId
from domain.shared.events import Event
from infrastructure.memory.copying import state_of
from tests.builders import NOON, a_session, a_user

MONTH = timedelta(days=30)
LATER = NOON + timedelta(days=10)


def told(session: Session) -> list[Event]:
    return [recorded.event for recorded in session.release_events()]


def renewed(session: Session, token: RefreshToken) -> RefreshToken:
    following = session.renew(token, lifetime=MONTH, at=LATER)
    assert following is not None
    return following


def test_a_session_is_open_from_the_sign_in_for_its_lifetime() -> None:
    user = a_user()
    session, token = a_session(user, lifetime=MONTH)
    assert session.user_id == user.id
    assert token.session_id == session.id
    assert session.created_at == session.last_used_at == NOON
    assert session.is_open(at=NOON)
    assert session.is_open(at=NOON + MONTH - timedelta(microseconds=1))
    assert not session.is_open(at=NOON + MONTH)
    assert told(session) == [SessionOpened(session_id=session.id, user_id=user.id, at=NOON)]


def test_each_use_of_a_session_lengthens_it() -> None:
    session, token = a_session(a_user(), lifetime=MONTH)
    renewed(session, token)
    assert (session.last_used_at, session.expires_at) == (LATER, LATER + MONTH)
    assert session.created_at == NOON
    assert session.is_open(at=NOON + MONTH)


def test_each_use_of_a_session_gives_another_token() -> None:
    session, first = a_session(a_user())
    second = renewed(session, first)
    third = renewed(session, second)
    assert len({first.secret, second.secret, third.secret}) == 3
    assert {second.session_id, third.session_id} == {session.id}
    assert session.is_open(at=LATER)


def test_only_the_hash_of_the_newest_token_is_kept() -> None:
    session, first = a_session(a_user())
    second = renewed(session, first)
    assert session.token_hash == sha256(second.secret.encode()).hexdigest()
    kept = repr(state_of(session))
    assert first.secret not in kept
    assert second.secret not in kept
    assert first.hash not in kept


def test_a_token_used_twice_ends_the_session_for_whoever_has_the_other() -> None:
    session, first = a_session(a_user())
    second = renewed(session, first)
    told(session)
    assert session.renew(first, lifetime=MONTH, at=LATER) is None
    assert session.ended_at == LATER
    assert session.renew(second, lifetime=MONTH, at=LATER) is None
    assert told(session) == [
        SessionEnded(
            session_id=session.id,
            user_id=session.user_id,
            reason=EndReason.TOKEN_REUSED,
            at=LATER,
        )
    ]


def test_a_guess_at_a_token_ends_the_session_too() -> None:
    session, _ = a_session(a_user())
    guess = RefreshToken(SessionId(session.id), "guess")
    assert session.renew(guess, lifetime=MONTH, at=LATER) is None
    assert session.ended_at == LATER


def test_an_expired_session_is_not_renewed_and_not_lengthened() -> None:
    session, token = a_session(a_user(), lifetime=MONTH)
    before = state_of(session)
    assert session.renew(token, lifetime=MONTH, at=NOON + MONTH) is None
    assert state_of(session) == before


@pytest.mark.parametrize("reason", EndReason)
def test_a_session_ends_once_and_for_its_first_reason(reason: EndReason) -> None:
    session, token = a_session(a_user())
    told(session)
    session.end(reason, at=LATER)
    session.end(EndReason.SIGNED_OUT, at=LATER + MONTH)
    assert session.ended_at == LATER
    assert not session.is_open(at=LATER)
    assert session.renew(token, lifetime=MONTH, at=LATER) is None
    assert told(session) == [
        SessionEnded(session_id=session.id, user_id=session.user_id, reason=reason, at=LATER)
    ]


@pytest.mark.parametrize(
    ("client", "kept"),
    [(None, None), ("", None), ("curl/8.0", "curl/8.0"), ("x" * 5_000, "x" * CLIENT_LENGTH)],
)
def test_what_a_client_calls_itself_is_kept_at_a_reasonable_length(
    client: str | None, kept: str | None
) -> None:
    session, _ = a_session(a_user(), client=client)
    assert session.client == kept


def test_a_refresh_token_is_read_as_it_was_written() -> None:
    _, token = a_session(a_user())
    assert RefreshToken.parse(str(token)) == token


def test_a_refresh_token_cannot_be_guessed() -> None:
    _, token = a_session(a_user())
    assert len(token.secret) == 43  # 256 bits in base64


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "nonsense",
        "nonsense.secret",
        "0" * 32,
        ".secret",
        "eyJhbGciOiJub25lIn0.e30.",
    ],
)
def test_what_has_no_session_in_it_is_no_refresh_token(text: str) -> None:
    assert RefreshToken.parse(text) is None
