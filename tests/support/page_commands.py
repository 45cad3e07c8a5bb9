"""The commands of a page, docs/backup.md unless it is another, to be run as they stand there."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.postgres import binaries
from tests.support.processes import ROOT, clean_environment

_SECONDS = 300.0
_BLOCK = re.compile(r"^ *<!-- run: ([\w ]+) -->\n *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
BACKUP = "backup.md"


def page_commands(page: str = BACKUP) -> dict[str, str]:
    """By name, what stands between the fences of a page's block."""
    return dict(_BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")))


def run_block(
    name: str, folder: Path, *, user: int | None = None, page: str = BACKUP, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run one block in a folder, as this user or whoever runs the tests."""
    return subprocess.run(
        ["/bin/sh", "-ec", page_commands(page)[name]], cwd=folder, env=_environment(variables), user=user,
        group=user, check=False, capture_output=True, text=True, timeout=_SECONDS,
    )  # fmt: skip


def succeed(
    name: str, folder: Path, *, user: int | None = None, page: str = BACKUP, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """As `run_block`, which must end well.

    Raises:
        AssertionError: it does not; carries what it said.
    """
    done = run_block(name, folder, user=user, page=page, **variables)
    assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    return done


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Of an operator who has the commands of both at hand."""
    commands = [str(Path(sys.executable).parent), str(binaries()), os.environ["PATH"]]
    return clean_environment(LC_ALL="C", **variables) | {"PATH": os.pathsep.join(commands)}
