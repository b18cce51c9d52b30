from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from application.auditing.checks import AHEAD, CHECKS
from application.auditing.queries import MOST_SHOWN, Check, Finding, Verdict
from infrastructure.sql.auditing import accounts, catalog, ordering, payments, tables

RULES: Final = (*catalog.RULES, *ordering.RULES, *payments.RULES, *accounts.RULES, *tables.RULES)

_BEGIN: Final = {
    "sqlite": ("PRAGMA query_only = ON",),
    "postgresql": ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",),
}
_END: Final = {"sqlite": ("PRAGMA query_only = OFF",), "postgresql": ()}


class SqlAuditQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def verdicts(self, *, at: datetime) -> Sequence[Verdict]:
        async with snapshot(self._engine) as connection:
            return await verdicts(connection, at=at)


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that sees one moment of the database, and cannot change anything."""
    async with engine.connect() as connection:
        for statement in _BEGIN[engine.dialect.name]:
            await connection.exec_driver_sql(statement)
        try:
            yield connection
        finally:
            for statement in _END[engine.dialect.name]:
                await connection.exec_driver_sql(statement)


async def verdicts(connection: AsyncConnection, *, at: datetime) -> Sequence[Verdict]:
    """Every check of what this connection sees."""
    return [await _verdict(connection, check, latest=at + AHEAD) for check in CHECKS]


async def _verdict(connection: AsyncConnection, check: Check, *, latest: datetime) -> Verdict:
    rows = offenders = 0
    findings: list[Finding] = []
    for rule in RULES:
        if rule.check is not check:
            continue
        rows += (await connection.execute(rule.rows)).scalar_one()
        found = (await connection.execute(rule.offenders, {"latest": latest})).mappings().all()
        offenders += found[0]["offenders"] if found else 0
        findings += [rule.check.finding(**row) for row in found]
    return Verdict(check, rows, offenders, findings[:MOST_SHOWN])
