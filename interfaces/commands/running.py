import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from interfaces.container import Container, close

T = TypeVar("T")


def in_shop(shop: Container, command: Callable[[Container], Awaitable[T]]) -> T:
    """Run the command to its end, again if the storage asks for it, and close the shop."""

    async def run() -> T:
        try:
            return await shop.runner()(lambda: command(shop))
        finally:
            await close(shop)

    return asyncio.run(run())
