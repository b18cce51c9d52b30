import pytest

from application.identity.actor import OPERATOR, Unauthenticated, known
from domain.identity.user import PERMISSIONS, Permission, Role
from domain.shared.errors import Forbidden
from tests.builders import an_actor


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("role", Role)
def test_an_actor_may_what_the_role_may(role: Role, permission: Permission) -> None:
    actor = an_actor(role)
    if permission in PERMISSIONS[role]:
        assert actor.may(permission)
        actor.require(permission)
    else:
        assert not actor.may(permission)
        with pytest.raises(Forbidden, match=f"you may not {permission}"):
            actor.require(permission)


def test_somebody_is_known_and_nobody_is_not() -> None:
    somebody = an_actor()
    assert known(somebody) is somebody
    with pytest.raises(Unauthenticated):
        known(None)


@pytest.mark.parametrize("other", Role)
@pytest.mark.parametrize("role", Role)
def test_nobody_decides_about_those_above_them(role: Role, other: Role) -> None:
    actor = an_actor(role)
    if other.rank <= role.rank:
        actor.require_rank_of(other)
    else:
        with pytest.raises(Forbidden, match=f"this takes at least a {other}"):
            actor.require_rank_of(other)


def test_whoever_sits_at_the_machine_may_everything() -> None:
    assert all(map(OPERATOR.may, Permission))
    assert OPERATOR.session_id is None
