import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import jwt
import pytest

from application.identity.ports import Holder
from domain.identity.session import SessionId
from domain.identity.user import UserId
from infrastructure.security import JwtAccessTokens
from tests.builders import NOON, Hands, a_session, a_user

SECRET: Final = "the first secret, which is long enough to be one"
OLDER: Final = "the older secret, which is long enough to be one"
STRANGERS: Final = "a secret of somebody else that is long enough too"
LIFETIME: Final = timedelta(minutes=15)
HOLDER: Final = Holder(UserId(uuid4()), SessionId(uuid4()))
ISSUED: Final = int(NOON.timestamp())
CLAIMS: Final[dict[str, Any]] = {
    "iss": "tradepost",
    "aud": "tradepost",
    "sub": str(HOLDER.user_id),
    "sid": str(HOLDER.session_id),
    "iat": ISSUED,
    "exp": ISSUED + 900,
    "jti": "1",
}
HEADER: Final = {"alg": "HS256", "typ": "at+jwt"}


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def tokens(clock: Hands) -> JwtAccessTokens:
    return JwtAccessTokens([SECRET], LIFETIME, clock)


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def forged(
    claims: object = CLAIMS,
    *,
    header: object = HEADER,
    key: str = SECRET,
    digest: Callable[..., Any] = hashlib.sha256,
) -> str:
    """A token by hand, of parts that no library would put together."""
    signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{signed}.{encoded(hmac.digest(key.encode(), signed.encode(), digest))}"


def without(claim: str) -> dict[str, Any]:
    return {name: value for name, value in CLAIMS.items() if name != claim}


def unsigned(algorithm: str) -> str:
    return forged(header={**HEADER, "alg": algorithm}).rpartition(".")[0] + "."


def with_another_sub() -> str:
    header, _, signature = forged().split(".")
    claims = encoded(json.dumps({**CLAIMS, "sub": str(uuid4())}).encode())
    return f"{header}.{claims}.{signature}"


def by_library(algorithm: str) -> str:
    return jwt.encode(CLAIMS, SECRET * 2, algorithm=algorithm, headers={"typ": "at+jwt"})


FORGED: Final = {
    "no algorithm": unsigned("none"),
    "no algorithm, in another spelling": unsigned("nOnE"),
    "no algorithm, but signed": forged(header={**HEADER, "alg": "none"}),
    "no word of an algorithm": forged(header={"typ": "at+jwt"}),
    "a longer hash": forged(header={**HEADER, "alg": "HS512"}, digest=hashlib.sha512),
    "a longer hash, by the library": by_library("HS512"),
    "an asymmetric algorithm": forged(header={**HEADER, "alg": "RS256"}),
    "the key of somebody else": forged(key=STRANGERS),
    "no key": forged(key=""),
    "no signature": forged().rpartition(".")[0] + ".",
    "two parts": forged().rpartition(".")[0],
    "another holder under an old signature": with_another_sub(),
    "a key from a file": forged(header={**HEADER, "kid": "../../dev/null"}, key=""),
    "a key by injection": forged(
        header={**HEADER, "kid": f"x' UNION SELECT '{STRANGERS}"}, key=STRANGERS
    ),
    "a key that is no text": forged(header={**HEADER, "kid": 1}),
    "a key of its own": forged(
        header={**HEADER, "jwk": {"kty": "oct", "k": encoded(STRANGERS.encode())}}, key=STRANGERS
    ),
    "a key from elsewhere": forged(
        header={**HEADER, "jku": "https://attacker.example/keys"}, key=STRANGERS
    ),
    "something critical": forged(header={**HEADER, "crit": ["b64"], "b64": False}),
    "another type": forged(header={**HEADER, "typ": "JWT"}),
    "no type": forged(header={"alg": "HS256"}),
    "another audience": forged({**CLAIMS, "aud": "billing"}),
    "another issuer": forged({**CLAIMS, "iss": "billing"}),
    "issued in the future": forged({**CLAIMS, "iat": ISSUED + 6}),
    "expired": forged({**CLAIMS, "iat": ISSUED - 900, "exp": ISSUED}),
    "not valid yet": forged({**CLAIMS, "nbf": 32_503_680_000}),
    "a holder who is no user": forged({**CLAIMS, "sub": "admin"}),
    "a session that is none": forged({**CLAIMS, "sid": "1"}),
    "claims that are a list": forged([CLAIMS]),
    "claims that are none": forged(None),
    "a header that is a list": forged(header=[HEADER]),
    **{f"no {claim}": forged(without(claim)) for claim in CLAIMS},
    "nothing": "",
    "dots": "..",
    "garbage": "not a token at all",
    "letters of nowhere": "é.\ud800.☃",
    "a hundred kilobytes": "A" * 100_000,
    "a hundred kilobytes of dots": "." * 100_000,
    "a hundred kilobytes of claims": forged({**CLAIMS, "x": "A" * 75_000}, key=STRANGERS),
    "a nest of brackets": f"{encoded(b'[' * 50_000)}.e30.AAAA",
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_nobodys(tokens: JwtAccessTokens, token: str) -> None:
    assert tokens.holder(token) is None


def test_the_forger_could_write_a_token_with_the_key(tokens: JwtAccessTokens) -> None:
    # Otherwise every forgery above might fail for a reason that is not its own.
    assert tokens.holder(forged()) == HOLDER


def test_a_token_shows_its_holder(tokens: JwtAccessTokens) -> None:
    assert tokens.holder(tokens.issue(HOLDER)) == HOLDER
    assert tokens.lifetime == 900


def test_a_token_is_what_rfc_9068_says(tokens: JwtAccessTokens) -> None:
    token = tokens.issue(HOLDER)
    assert jwt.get_unverified_header(token) == HEADER
    claims = jwt.decode(token, options={"verify_signature": False})
    assert {**claims, "jti": "1"} == CLAIMS


def test_no_two_tokens_are_the_same(tokens: JwtAccessTokens) -> None:
    assert len({tokens.issue(HOLDER) for _ in range(10)}) == 10


def test_a_token_counts_for_its_lifetime(tokens: JwtAccessTokens, clock: Hands) -> None:
    token = tokens.issue(HOLDER)
    clock.move(seconds=899.999)
    assert tokens.holder(token) == HOLDER
    clock.move(seconds=0.001)
    assert tokens.holder(token) is None


def test_a_refresh_token_is_no_access_token(tokens: JwtAccessTokens) -> None:
    _, refresh = a_session(a_user())
    assert tokens.holder(str(refresh)) is None


def test_a_server_whose_clock_is_a_little_ahead_does_no_harm(clock: Hands) -> None:
    token = forged({**CLAIMS, "iat": ISSUED + 5})
    assert JwtAccessTokens([SECRET], LIFETIME, clock).holder(token) == HOLDER


def test_while_keys_are_rotated_the_older_one_still_counts(clock: Hands) -> None:
    before = JwtAccessTokens([OLDER], LIFETIME, clock)
    during = JwtAccessTokens([SECRET, OLDER], LIFETIME, clock)
    after = JwtAccessTokens([SECRET], LIFETIME, clock)
    old, new = before.issue(HOLDER), during.issue(HOLDER)
    assert [during.holder(old), during.holder(new)] == [HOLDER, HOLDER]
    assert [after.holder(old), after.holder(new)] == [None, HOLDER]
    assert before.holder(new) is None


def test_an_older_key_opens_no_forgery(clock: Hands) -> None:
    during = JwtAccessTokens([STRANGERS * 2, SECRET], LIFETIME, clock)
    assert during.holder(forged()) == HOLDER
    assert [
        name
        for name, token in FORGED.items()
        if name != "the key of somebody else" and during.holder(token)
    ] == []
