"""Every command and every snippet of the README, run as a reader would run it."""

import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx
import pytest

from tests.servers import PostgresCluster, free_port, running_server, waiting_until_ready

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPTS: Final = sysconfig.get_path("scripts")
ADDRESS: Final = "http://127.0.0.1:8000"


def blocks(section: str, language: str) -> list[str]:
    """The fenced blocks of this language below the heading, in their order."""
    _, _, rest = README.partition(f"\n## {section}\n")
    body = rest.partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", body, re.MULTILINE | re.DOTALL)


def shell(script: str, folder: Path, **variables: str) -> str:
    """What the script prints; it ends at the first command that fails, and so does the test."""
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, f"{script}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("TRADEPOST_", "MAKE"))}
    return {**inherited, "PATH": f"{SCRIPTS}:{os.environ['PATH']}", **variables}


def test_the_guide_for_clients_works_as_it_stands(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with running_server({}, log) as url:
        script = "\n".join(blocks("For clients", "sh")).replace(ADDRESS, url)
        printed = shell(script, tmp_path).splitlines()
    assert printed[0] == "admin is now there, as admin"
    assert any(re.search(r"ORD-\d{8}-[0-9A-Z]{8}$", line) for line in printed)
    assert "MUG-1 has 1 left of 2" in printed
    assert "MUG-1,White mug,7.99,USD,13,white-mug,,,,true,{}" in printed
    paid = printed.index("succeeded")
    assert printed[paid - 1 : paid + 4] == [
        "{'amount': '5.98', 'currency': 'USD'}",
        "succeeded",
        "confirmed",
        "{'amount': '7.99', 'currency': 'USD'}",
        "{'amount': '10.00', 'currency': 'USD'}",
    ]
    assert "'due_back': {'amount': '5.98', 'currency': 'USD'}" in printed[paid + 4]
    assert "'type': 'payment.due_back'" in printed[paid + 5]
    assert printed[-2] == "cancelled"
    assert printed[-1].endswith("was cancelled: changed my mind")


@pytest.mark.parametrize("snippet", blocks("For developers", "python"))
def test_the_snippets_for_developers_are_tests_that_pass(snippet: str, tmp_path: Path) -> None:
    file = tmp_path / "test_snippet.py"
    file.write_text(snippet, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "--rootdir", ROOT, file],
        cwd=ROOT,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr


def test_the_picture_for_developers_shows_files_that_are_there() -> None:
    [picture] = blocks("For developers", "mermaid")
    layer = ""
    shown = []
    for line in picture.splitlines():
        if "subgraph" in line:
            layer = line.split()[-1]
        elif found := re.search(r"\[([a-z_/]+\.py)<br>", line):
            shown.append(f"{layer}/{found[1]}")
    assert len(shown) == 8
    assert [path for path in shown if not (ROOT / path).exists()] == []


def test_the_guide_for_operators_works_as_it_stands(
    tmp_path: Path, postgres: PostgresCluster
) -> None:
    database = f"readme_{uuid4().hex}"
    postgres.create(database)
    port = free_port()
    prepare, users, catalog, verify, serve, ask = (
        block.replace("postgresql://shop:password@db.example/shop", postgres.url(database)).replace(
            "8000", str(port)
        )
        for block in blocks("For operators", "sh")
    )
    printed = shell(f"{prepare}\n{users}\n{catalog}", tmp_path)
    assert "CREATE TABLE" in (tmp_path / "upgrade.sql").read_text()
    assert "upgraded to 0001" in printed
    assert printed.splitlines()[-10:] == [
        "grace is now there, as admin",
        "a shop keeps at least one administrator",
        "grace has another password",
        "and an active one",
        "0 expired sessions and 0 old attempts are gone",
        "0 expired keys are gone",
        "unpaid orders cancelled: 0",
        "payments settled: 0",
        "categories: 2 created, 0 changed, 0 as they were, 0 refused",
        "products: 1 created, 0 changed, 0 as they were, 0 refused",
    ]

    variables = {
        "TRADEPOST_DATABASE_URL": postgres.url(database),
        "TRADEPOST_SECRET_KEY": "a-secret-of-the-tests-and-nobody-else",
    }
    table = shell(verify, tmp_path, **variables).splitlines()
    assert {line.split()[-1] for line in table} == {"offenders", "0"}

    server = subprocess.Popen(
        serve.split(), cwd=tmp_path, env=environment(variables), start_new_session=True
    )
    try:
        waiting_until_ready(f"http://127.0.0.1:{port}", server)
        told = shell(ask, tmp_path)
        assert told.count('{"status":"ok"}') == 2
        lived = 'tradepost_request_seconds_count{method="GET",route="/livez",status="200"}'
        assert f"{lived} 1.0" in told
        for _ in range(20):  # each on a connection of its own, which either worker may take
            httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False).raise_for_status()
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        assert f"{lived} 21.0" in metrics
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def test_make_run_serves_and_says_where_to_look(tmp_path: Path) -> None:
    assert "make run\n" in blocks("Two commands", "sh")
    port = free_port()
    output = tmp_path / "output"
    variables = {"TRADEPOST_DATABASE_URL": f"sqlite:///{tmp_path}/shop.db"}
    with output.open("wb") as written:
        server = subprocess.Popen(
            ["make", "run", f"ARGS=--port {port}"],
            cwd=ROOT,
            env=environment(variables),
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        waiting_until_ready(f"http://127.0.0.1:{port}", server)
        assert httpx.get(f"http://127.0.0.1:{port}/docs", trust_env=False).is_success
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
    said = output.read_text()
    assert f"http://127.0.0.1:{port}/docs" in said
    assert "tradepost users create-admin" in said


def test_the_commands_without_make_are_those_that_make_runs() -> None:
    _, test, without_make = blocks("Two commands", "sh")
    assert test == "make test\n"
    steps = make("--always-make", "run")
    assert [line for line in without_make.splitlines() if line not in steps] == []
    assert any(step.startswith(".venv/bin/pytest ") for step in make("test"))


def test_each_threat_names_tests_that_are_there() -> None:
    _, _, rest = README.partition("\n## Security\n")
    rows = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")][2:]
    code = "\n".join(file.read_text(encoding="utf-8") for file in ROOT.glob("tests/**/test_*.py"))
    defined = {*re.findall(r"def (test_\w+)\(", code)}
    named = [re.findall(r"`(test_\w+)`", row) for row in rows]
    assert len(rows) > 15
    assert all(named)
    assert {test for tests in named for test in tests} <= defined


def make(*arguments: str) -> list[str]:
    """The commands that make would run."""
    printed = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=environment({}),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [line.strip() for line in printed.splitlines()]
