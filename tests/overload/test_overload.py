"""A little pressure on the real server; `make overload` is the long one, which measures."""

import asyncio

from tests.overload.pressure import MOST_MEMORY, Pressure, bear
from tests.servers import PostgresCluster, new_shop

LITTLE = Pressure(
    connections=100,
    seconds=1.0,
    stalled=1.0,
    max_requests=10,
    request_timeout=5.0,
    client_timeout=0.5,
)


def test_too_many_and_too_slow_clients_and_a_database_that_stands_still_cost_nobody_an_order(
    cluster: PostgresCluster,
) -> None:
    cluster.create("overload")
    there = {"TRADEPOST_DATABASE_URL": cluster.url("overload")}
    with new_shop("given", there) as shop:
        borne = asyncio.run(bear(shop, LITTLE))
    assert borne.mistakes == []
    assert max(borne.memory) < MOST_MEMORY
