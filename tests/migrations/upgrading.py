"""An operator who upgrades when told to by a line of input: `URL [FOLDER OF REVISIONS]`."""

import sys
from pathlib import Path

from alembic import command

from tests.migrations.databases import alembic


def main() -> None:
    url, *folders = sys.argv[1:]
    config = alembic(url, *map(Path, folders))
    config.attributes["report"] = lambda line: sys.stdout.write(f"{line}\n")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    command.upgrade(config, "head")


if __name__ == "__main__":
    main()
