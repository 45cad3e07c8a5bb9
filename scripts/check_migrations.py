"""Migrate an empty SQLite file and an empty PostgreSQL database, and compare each with the models."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import postgres

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (
    [sys.executable, "-m", "persistence_service", "migrate"],
    [str(Path(sys.executable).parent / "alembic"), "check"],
)


def agrees(url: str) -> bool:
    """Say whether the migrations make what the models of today describe; print what was said if not."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DB_")}
    for command in COMMANDS:
        done = subprocess.run(
            command, cwd=ROOT, check=False, capture_output=True, text=True,
            env=environment | {"DATABASE_URL": url},
        )  # fmt: skip
        if done.returncode != 0:
            print(f"{' '.join(command[1:])} on {url.partition(':')[0]}:\n{done.stdout}{done.stderr}")
            return False
    return True


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, postgres.server() as server, server.database() as url:
        agreed = [agrees(f"sqlite:///{folder}/check.db"), agrees(url)]
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main())
