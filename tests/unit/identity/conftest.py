import pytest

from tests.unit.identity.desk import Desk
from tests.unit.shop import Shop


@pytest.fixture
def desk(shop: Shop) -> Desk:
    return Desk(shop)
