import pytest

from tests.unit.ordering.till import Till
from tests.unit.shop import Shop


@pytest.fixture
async def till(shop: Shop) -> Till:
    till = Till(shop)
    await till.open()
    return till
