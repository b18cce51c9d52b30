"""Requests that fit the document, or nearly, in whatever order: is what it tells of them true?"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.servers import new_shop, running_server

ROOT: Final = Path(__file__).parents[2]
SCHEMATHESIS: Final = str(Path(sys.executable).with_name("st"))
CHECKS: Final = (
    *("--checks", "all"),
    *("--exclude-checks", "positive_data_acceptance"),  # see hooks.py
    *("--request-timeout", "60"),  # a thousand passwords take their time
    *("--continue-on-failure", "--warnings", "off", "--no-color"),
)


def main(options: Sequence[str]) -> int:
    """0: the document is true and the books are, too; `options` are Schemathesis' own."""
    with new_shop("postgresql", {}) as shop:
        log = shop.folder / "server.log"
        with running_server(shop.environment, log) as url:
            told = {
                **shop.environment,
                "FUZZED_SHOP": url,
                "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
                "PYTHONPATH": str(ROOT),
            }
            run = [SCHEMATHESIS, "run", f"{url}/v1/openapi.json", *CHECKS, *options]
            ended = subprocess.run(run, cwd=shop.folder, env=os.environ | told, check=False)
        shop.run("verify")
        assert "unforeseen error" not in log.read_text(), log.read_text()
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
