"""What happens to servers and databases, at random moments and one thing after the other."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import httpx

from tests.servers import PostgresCluster, Server
from tests.turmoil.clients import Client

LONGEST_OUTAGE: Final = 1.0  # seconds
CRASHES: Final = {
    signal.SIGQUIT: "PostgreSQL stopped at once",
    signal.SIGKILL: "PostgreSQL killed",
}

_CUT: Final = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'tradepost' AND xact_start IS NOT NULL
"""


@dataclass(slots=True)
class Havoc:
    """`client` tries whether a server serves again."""

    servers: Sequence[Server]
    cluster: PostgresCluster | None
    client: Client
    chance: random.Random
    wrought: Counter[str] = field(default_factory=Counter)
    back_after: list[float] = field(default_factory=list)  # seconds, for each server

    async def wreak(self, seconds: float, peace: float) -> None:
        """
        For so many seconds, and until everything has happened, with at most `peace` seconds between
        one thing and the next; in the end everything runs.
        """
        ends = time.perf_counter() + seconds
        troubles = [self._kill_servers]
        if self.cluster is not None:
            troubles += [self._crash_database, self._cut_connections]
        while True:
            for trouble in self.chance.sample(troubles, len(troubles)):
                await self._sleep(peace)
                await trouble()
            if time.perf_counter() > ends:
                return

    async def _kill_servers(self) -> None:
        killed = self.chance.sample(self.servers, self.chance.randint(1, len(self.servers)))
        for server in killed:
            server.kill()
            self.wrought["servers killed"] += 1
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in killed))

    async def _crash_database(self) -> None:
        assert self.cluster is not None
        by = self.chance.choice([*CRASHES])
        await asyncio.to_thread(self.cluster.crash, by)
        self.wrought[CRASHES[by]] += 1
        await self._sleep(LONGEST_OUTAGE)
        await asyncio.to_thread(self.cluster.restart)
        self.back_after += await asyncio.gather(*map(self._seconds_until_back, self.servers))

    async def _cut_connections(self) -> None:
        assert self.cluster is not None
        connection = await asyncpg.connect(
            host=str(self.cluster.socket_folder), user="postgres", database="postgres"
        )
        for _ in range(10):
            self.wrought["connections cut"] += await connection.fetchval(_CUT)
            await self._sleep(0.1)
        await connection.close()

    async def _seconds_until_back(self, server: Server) -> float:
        began = time.perf_counter()
        headers = {"Authorization": f"Bearer {self.client.clerk}"}
        path = f"/v1/products/{self.client.market.products[0]}/stock"
        async with httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False) as http:
            while True:
                with suppress(httpx.TransportError):
                    answer = await http.post(path, json={"change": 1, "reason": "probe"})
                    if answer.is_success:
                        return time.perf_counter() - began
                await asyncio.sleep(0.02)

    async def _sleep(self, longest: float) -> None:
        await asyncio.sleep(self.chance.uniform(0, longest))
