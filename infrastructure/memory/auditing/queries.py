from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final

from application.auditing.queries import MOST_SHOWN, Verdict
from infrastructure.memory.auditing import accounts, catalog, ordering, payments, tables
from infrastructure.memory.auditing.rules import Rule
from infrastructure.memory.database import MemoryDatabase

RULES: Final = (*catalog.RULES, *ordering.RULES, *payments.RULES, *accounts.RULES, *tables.RULES)


class MemoryAuditQueries:
    """
    The checks as plain as they can be said.

    Without those of what is not kept here: what products are found by is what they are, and no key
    is there without its answer.
    """

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def verdicts(self, *, at: datetime) -> Sequence[Verdict]:
        # Nobody changes anything meanwhile, for there is no await in here.
        return [self._verdict(rule, at) for rule in RULES]

    def _verdict(self, rule: Rule, at: datetime) -> Verdict:
        found = sorted(rule.offenders(self._database, at), key=attrgetter("id"))
        rows = len(rule.rows(self._database))
        return Verdict(rule.check, rows, len(found), found[:MOST_SHOWN])
