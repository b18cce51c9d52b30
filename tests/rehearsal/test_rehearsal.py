"""A short rehearsal; `make rehearsal` is the one with 1 000 000 orders."""

import pytest

from tests.rehearsal.__main__ import main


def test_no_request_fails_while_the_schema_changes(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--orders", "2000", "--clients", "4", "--reader", "1", "--pause", "0.3"]
    assert main(chosen) == 0, capsys.readouterr().out
    told = capsys.readouterr().out
    assert "upgraded to table: step table" in told
    assert "tried again in 0 s, for its lock was not free: ALTER TABLE orders" in told
