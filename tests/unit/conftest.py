import pytest
from hypothesis import settings

from tests.unit.shop import Shop

# No deadline: how fast a machine is that runs them, is not what these tests are about.
settings.register_profile("unit", deadline=None, max_examples=100)
settings.load_profile("unit")


@pytest.fixture
def shop() -> Shop:
    return Shop()
