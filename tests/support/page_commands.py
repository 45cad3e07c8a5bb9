"""The commands of a page of docs/, to be run as they stand there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.postgres import binaries
from tests.support.processes import ROOT, clean_environment

_SECONDS = 300.0
_FENCE = "```sh"
_BLOCK = re.compile(r"^ *<!-- run: ([\w ]+) -->\n *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and which words of its commands are others here, such as a port that is in use."""

    name: str
    moved: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return (ROOT / "docs" / self.name).read_text(encoding="utf-8")

    def blocks(self) -> dict[str, str]:
        """By name, what stands between the fences."""
        return {name: self._here(commands) for name, commands in _BLOCK.findall(self.text)}

    def run(
        self, block: str, folder: Path, *, user: int | None = None, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run one block in a folder, as this user or whoever runs the tests."""
        return subprocess.run(
            ["/bin/sh", "-ec", self.blocks()[block]], cwd=folder, env=_environment(variables), user=user,
            group=user, check=False, capture_output=True, text=True, timeout=_SECONDS,
        )  # fmt: skip

    def succeed(
        self, block: str, folder: Path, *, user: int | None = None, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """As `run`, which must end well.

        Raises:
            AssertionError: it does not; carries what it said.
        """
        done = self.run(block, folder, user=user, **variables)
        assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"
        return done

    def start(self, block: str, folder: Path, **variables: str) -> "subprocess.Popen[str]":
        """Start a block that goes on until it is told to stop; what it says goes to a file of its name."""
        with (folder / f"{block}.log").open("a", encoding="utf-8") as log:
            return subprocess.Popen(
                ["/bin/sh", "-ec", self.blocks()[block]], cwd=folder, env=_environment(variables),
                stdout=log, stderr=log, text=True,
            )  # fmt: skip

    def not_run_by(self, tests: Iterable[Path]) -> list[str]:
        """Commands that none of these files names: blocks by their names, fences that bear none by number."""
        runners = "".join(path.read_text(encoding="utf-8") for path in tests)
        blocks = self.blocks()
        nameless = self.text.count(_FENCE) - len(blocks)
        return [name for name in blocks if f'"{name}"' not in runners] + ["without a name"] * nameless

    def _here(self, commands: str) -> str:
        for there, here in self.moved.items():
            commands = commands.replace(there, here)
        return commands


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Of an operator who has the commands of both at hand."""
    commands = [str(Path(sys.executable).parent), str(binaries()), os.environ["PATH"]]
    return clean_environment(LC_ALL="C", **variables) | {"PATH": os.pathsep.join(commands)}
