from datetime import timedelta
from uuid import uuid4

import pytest

from application.identity.queries import Credentials, UserDetails
from domain.identity.user import Role, UserId
from tests.builders import NOON, a_user
from tests.contract.backends import Backend
from tests.contract.steps import user_in


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
        user.signed_in(at=NOON + timedelta(microseconds=1))
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
