"""Too many clients, slow ones, a database that stands still, and an end in the midst of it all."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.benchmarks.serving import OTHERS, on
from tests.overload.pressure import Borne, Pressure, bear
from tests.servers import new_shop


def main(arguments: Sequence[str] | None = None) -> int:
    """0: nothing was answered wrongly or lost, whatever it took; 1: not so."""
    options = argparse.ArgumentParser(prog="python -m tests.overload", description=__doc__)
    options.add_argument("--connections", type=int, default=2_000)
    options.add_argument("--seconds", type=float, default=30.0)
    chosen = options.parse_args(arguments)
    pressure = Pressure(
        chosen.connections,
        chosen.seconds,
        stalled=chosen.seconds,
        max_requests=250,
        request_timeout=10.0,
        client_timeout=10.0,
    )
    with on(OTHERS), new_shop("postgresql", {}) as shop:
        borne = asyncio.run(bear(shop, pressure))
        verified = shop.run("verify")
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(_answers(borne), _figures(borne, pressure))
    console.print(verified, soft_wrap=True)
    for mistake in borne.mistakes:
        console.print(f"wrong: {mistake}", style="bold red", markup=False)
    return 1 if borne.mistakes else 0


def _answers(borne: Borne) -> Table:
    table = Table("", *(str(status) for status in (200, 201, 408, 503)), "cut")
    for name in ("crowd", "stall", "stopping"):
        crowd = getattr(borne, name)
        counts = (crowd.answers[status] for status in (200, 201, 408, 503))
        table.add_row(name, *(f"{count:,}" for count in (*counts, crowd.cut)))
    return table


def _figures(borne: Borne, pressure: Pressure) -> Table:
    table = Table("", "measured", "at most")
    for verdict in borne.verdicts(pressure):
        style = "green" if verdict.is_reached else "bold red"
        measured = f"[{style}]{verdict.value:.2f}[/{style}]"
        table.add_row(verdict.what, measured, f"{verdict.wanted:g}")
    return table


if __name__ == "__main__":
    # Ended from outside it still stops the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
