"""What every language has: tools that are fetched, a generator, a compiler."""

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

TOOL_SECONDS = 1800


class LeftOut(Exception):  # noqa: N818 - it is no fault of the contract
    """The language's tools are not here and cannot be had."""


class Refused(Exception):  # noqa: N818 - it says what a tool did
    """A tool refused the contract, or what was made of it; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Form:
    """The contract as it is generated: with its rules, or without."""

    name: str
    root: Path
    files: tuple[str, ...]
    rules: tuple[str, ...] = ()
    """The files of the rules' own language, for generators whose users must make code of them as well."""


def run(command: Sequence[str | Path], cwd: Path, environment: Mapping[str, str] | None = None) -> str:
    """What a tool says, on both streams.

    Raises:
        Refused: when it fails.
    """
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(environment or {})}, check=False, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TOOL_SECONDS,
    )  # fmt: skip
    if done.returncode != 0:
        raise Refused(done.stdout.strip() or f"status {done.returncode}")
    return done.stdout.strip()


class Language(ABC):
    """One generator of one language. `cache` keeps its tools, `protoc` is a command."""

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    suffix: ClassVar[str]
    version: str
    lacking: str = ""
    """What is left out for want of a tool, if anything is."""

    def __init__(self, cache: Path, protoc: Path) -> None:
        self.cache = cache
        self.protoc = protoc

    def prepare(self) -> None:
        """Fetches what is not there yet.

        Raises:
            LeftOut: with the name of what is missing.
        """
        missing = [command for command in self.needs if shutil.which(command) is None]
        if missing:
            raise LeftOut(f"{', '.join(missing)} not found")
        self.cache.mkdir(parents=True, exist_ok=True)
        try:
            self.fetch()
        except Refused as error:
            raise LeftOut(f"its packages cannot be had: {str(error).splitlines()[-1]}") from error

    @abstractmethod
    def fetch(self) -> None:
        """Raises Refused."""

    @abstractmethod
    def generate(self, form: Form, out: Path) -> str:
        """What the generator says; nothing, if it has no objection. Raises Refused."""

    @abstractmethod
    def compile(self, form: Form, out: Path) -> str | None:
        """What the compiler says; None where this form is not compiled here. Raises Refused."""

    def run_protoc(self, form: Form, *arguments: str, rules: bool = False) -> str:
        files = (*form.files, *form.rules) if rules else form.files
        return run([self.protoc, f"-I{form.root}", *arguments, *files], form.root)
