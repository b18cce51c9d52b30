"""A short turmoil through the real server; `make turmoil` is the long one."""

import httpx
import pytest

from tests.turmoil.__main__ import main
from tests.turmoil.clients import Noted


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_whatever_clients_do_at_once_every_sum_holds(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = main(["--database", database, "--clients", "16", "--seconds", "3"])
    assert ended == 0, capsys.readouterr().out
    assert "place" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "code", "mistake"),
    [(409, "overpayment", False), (409, "in-use", True), (503, "overloaded", True)],
)
def test_only_what_somebody_else_may_cause_is_no_mistake(
    status: int, code: str, mistake: bool
) -> None:
    noted = Noted()
    headers = {"content-type": "application/problem+json"}
    noted.note("pay", httpx.Response(status, json={"code": code}, headers=headers))
    assert noted.answers == {("pay", code): 1}
    assert bool(noted.mistakes) is mistake
