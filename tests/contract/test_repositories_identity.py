from datetime import timedelta
from uuid import uuid4

import pytest

from domain.identity.user import (
    FULL_NAME_LENGTH,
    USERNAME_LENGTH,
    Role,
    UserId,
    UserNotFound,
)
from infrastructure.memory.copying import state_of
from tests.builders import NOON, a_user
from tests.contract.backends import Backend
from tests.contract.steps import user_in


async def test_a_user_comes_back_as_they_were(backend: Backend) -> None:
    ada = a_user(
        username="A" * USERNAME_LENGTH,
        email="ada.lovelace+shop@" + "ß" * 190 + ".example",
        full_name="Ö" * FULL_NAME_LENGTH,
        role=Role.ADMIN,
        is_active=False,
    )
    bob = a_user()
    await backend.keep(ada, bob)

    async with backend.begin() as work:
        assert state_of(await user_in(work, ada)) == state_of(ada)
        assert state_of(await user_in(work, bob)) == state_of(bob)


async def test_what_changes_about_a_user_is_kept(backend: Backend) -> None:
    ada = a_user()
    await backend.keep(ada)

    async with backend.begin() as work:
        user = await user_in(work, ada, lock=True)
        user.promote(Role.STAFF, at=NOON)
        user.signed_in(at=NOON + timedelta(microseconds=1))
        await work.commit()
    async with backend.begin() as work:
        assert state_of(await user_in(work, ada)) == state_of(user)


async def test_who_looks_for_nobody_is_told_so(backend: Backend) -> None:
    async with backend.begin() as work:
        for lock in (False, True):
            with pytest.raises(UserNotFound):
                await work.users.get(UserId(uuid4()), lock=lock)
        assert await work.users.by_login("nobody") is None
        assert await work.users.by_login("") is None


@pytest.mark.parametrize(
    "login", ["Ada_L", "ada_l", "ＡＤＡ_Ｌ", "Ada@Straße.example", "ADA@STRASSE.EXAMPLE"]
)
async def test_a_user_signs_in_under_any_spelling_of_name_and_address(
    backend: Backend, login: str
) -> None:
    ada = a_user(username="Ada_L", email="ada@straße.example")
    await backend.keep(ada, a_user())

    async with backend.begin() as work:
        found = await work.users.by_login(login)
        assert found is not None
        assert found is await user_in(work, ada)
