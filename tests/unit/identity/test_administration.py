import pytest

from application.identity.administration import Administration
from application.identity.registration import Registration
from domain.identity.user import EmailTaken, Role, User
from tests.builders import PASSWORD, PlainHasher, a_user, at_noon
from tests.unit.shop import Shop


@pytest.fixture
def administration(shop: Shop) -> Administration:
    return Administration(shop.begin, Registration(shop.begin, PlainHasher(), at_noon))


async def test_the_first_administrator_is_made_at_the_machine(
    shop: Shop, administration: Administration
) -> None:
    admin, is_new = await administration.create_admin(
        username="root", email="root@example.com", password=PASSWORD
    )
    assert is_new
    assert shop.now(admin).role is Role.ADMIN


async def test_making_an_administrator_twice_changes_nothing(
    shop: Shop, administration: Administration
) -> None:
    first, _ = await administration.create_admin(
        username="root", email="root@example.com", password=PASSWORD
    )
    second, is_new = await administration.create_admin(
        username="ROOT", email="other@example.com", password="Another horse 9"
    )
    assert not is_new
    assert second.id == first.id
    assert shop.count(User) == 1
    assert shop.now(first).password_hash == f"plain:{PASSWORD}"
    assert shop.now(first).version == 1
    assert shop.events == ["user.registered"]


async def test_a_customer_of_that_name_is_not_promoted_by_it(
    shop: Shop, administration: Administration
) -> None:
    customer = a_user(username="root")
    await shop.keep(customer)
    found, is_new = await administration.create_admin(
        username="root", email="root@example.com", password=PASSWORD
    )
    assert (found.id, found.role, is_new) == (customer.id, Role.CUSTOMER, False)


async def test_an_administrator_needs_an_address_of_their_own(
    shop: Shop, administration: Administration
) -> None:
    await shop.keep(a_user(email="root@example.com"))
    with pytest.raises(EmailTaken):
        await administration.create_admin(
            username="root", email="root@example.com", password=PASSWORD
        )
    assert shop.count(User) == 1
