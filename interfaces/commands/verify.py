"""`tradepost verify`: whether everything in the shop is true that has to be."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Final

import typer

from application.auditing.queries import Verdict
from interfaces.commands.running import in_shop
from interfaces.container import Container

FAILED: Final = 1


def verify_command(open_shop: Callable[[], Container]) -> Callable[..., None]:
    """The command `verify`; it asks for the shop when it runs, not before."""

    def verify(
        as_json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
    ) -> None:
        """Check, without changing anything, that stock, money and history add up; exit 1 if not."""
        verdicts = in_shop(open_shop(), lambda shop: shop.verification().verdicts())
        if as_json:
            typer.echo(json.dumps(_document(verdicts), indent=2, ensure_ascii=False))
        else:
            for line in _table(verdicts):
                typer.echo(line)
        if any(verdict.offenders for verdict in verdicts):
            raise typer.Exit(FAILED)

    return verify


def _table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    width = max(len(verdict.check.rule) for verdict in verdicts)
    yield f"{'check':<{width}}  {'rows':>10}  {'offenders':>9}"
    for verdict in verdicts:
        yield f"{verdict.check.rule:<{width}}  {verdict.rows:>10}  {verdict.offenders:>9}"
        for finding in verdict.findings:
            yield f"  {finding.id} {finding.what}"
        if more := verdict.offenders - len(verdict.findings):
            yield f"  and {more} more"


def _document(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "holds": not any(verdict.offenders for verdict in verdicts),
        "checks": [
            {
                "check": verdict.check.code,
                "rule": verdict.check.rule,
                "rows": verdict.rows,
                "offenders": verdict.offenders,
                "findings": [
                    {"id": finding.id, "what": finding.what} for finding in verdict.findings
                ],
            }
            for verdict in verdicts
        ],
    }
