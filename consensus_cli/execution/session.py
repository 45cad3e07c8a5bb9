"""One command's connection to the service: what goes wrong becomes lines and an exit code."""

import asyncio
import os
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import typer

from consensus_cli.arguments import inputs
from consensus_cli.execution import exits
from consensus_cli.execution.failures import explain
from consensus_cli.execution.printing import complain
from consensus_cli.view.progress import RunView
from consensus_client import ReviewClient
from consensus_client.credentials import CredentialError
from consensus_client.options import DEFAULT_PERSISTENCE, DEFAULT_SERVER
from consensus_contract.errors import ConsensusError

Client = TypeVar("Client")

TYPED: ContextVar[tuple[str, ...]] = ContextVar("TYPED", default=())
"""Options before the command without which another reaches nothing: the key, and what TLS needs."""


def program() -> str:
    """The command as it can be typed here: its name, or its path where the shell would not find it."""
    if shutil.which("consensus"):
        return "consensus"
    path = Path(sys.executable).parent / "consensus"
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


@dataclass(frozen=True, slots=True)
class Service:
    """A service as commands name it: its option, its variable, and where it is unless told."""

    option: str
    variable: str
    default: str

    def is_asked_by(self, *words: str) -> bool:
        """Whether a command has the option."""
        persistence = words[0] in _ASK_PERSISTENCE and words[:2] not in _ASK_REVIEW
        return words[0] in _ASK_BOTH or persistence == (self.option == "--persistence")


REVIEW = Service("--server", "CONSENSUS_SERVER", DEFAULT_SERVER)
PERSISTENCE = Service("--persistence", "CONSENSUS_PERSISTENCE", DEFAULT_PERSISTENCE)
_ASK_BOTH = frozenset({"doctor"})
_ASK_REVIEW = frozenset({("token", "whoami"), ("draft", "submit")})
_ASK_PERSISTENCE = frozenset(
    {
        "audit", "draft", "escalation", "event", "explain", "human-review", "keys", "metric", "outcome",
        "override", "panel", "policy", "token", "usage",
    }
)  # fmt: skip


class CommandSession:
    """What one command works with: the client, and how far the run that it follows has come."""

    def __init__(self, server: str, service: Service = REVIEW) -> None:
        """Takes the address of a service, the review service unless it says otherwise.

        Raises:
            typer.BadParameter: when it is none.
        """
        self.server = inputs.target(server)
        self._service = service
        self.run_view = RunView()
        self.interrupted = "interrupted"
        self.run_goes_on = True
        self.is_gate = False

    def command(self, *words: str) -> str:
        """A command as the user would type it to reach the same service."""
        known = os.environ.get(self._service.variable) or self._service.default
        is_known = self.server == known or not self._service.is_asked_by(*words)
        where = () if is_known else (self._service.option, self.server)
        return shlex.join((program(), *TYPED.get(), *words, *where))

    def link(self, run_id: str) -> str:
        """Where the page shows a run; empty where nobody said where the page is."""
        door = os.environ.get("CONSENSUS_DOOR")
        return f"{door}/runs/{run_id}" if door else ""

    def run(self, work: Callable[[ReviewClient], Awaitable[int | None]]) -> None:
        """Runs `work` with a client of the review service to its end.

        Raises:
            typer.Exit: always, with the code that it answers, or that its failure stands for.
        """
        self.run_with(ReviewClient, work)

    def ask(self, work: Callable[[ReviewClient], Awaitable[None]]) -> None:
        """Runs `work` as `run` does, and comes back unless it fails.

        Raises:
            typer.Exit: with the code that its failure stands for.
        """

        async def with_client() -> int:
            async with ReviewClient(self.server) as client:
                await work(client)
            return exits.OK

        if code := self._code(with_client):
            raise typer.Exit(code)

    def run_with(
        self,
        connect: Callable[[str], AbstractAsyncContextManager[Client]],
        work: Callable[[Client], Awaitable[int | None]],
    ) -> None:
        """As `run`, with a client of another service; `connect` takes the server's address."""

        async def with_client() -> int:
            async with connect(self.server) as client:
                return await work(client) or exits.OK

        raise typer.Exit(self._code(with_client))

    def _code(self, with_client: Callable[[], Coroutine[None, None, int]]) -> int:
        try:
            return asyncio.run(with_client())
        except CredentialError as error:
            complain(f"error: {error}")
            return exits.WRONG_USAGE
        except ConsensusError as error:
            complain(*explain(error, self.command, self._service.option))
            return exits.of_error(error, gate=self.is_gate)
        except KeyboardInterrupt:
            complain(*self._farewell())
            return exits.INTERRUPTED

    def _farewell(self) -> list[str]:
        """What becomes of the run that was followed, and the commands for it."""
        run_id = self.run_view.run_id
        if not run_id or self.run_view.is_over:
            return [self.interrupted]
        after = ("--after", str(self.run_view.last_sequence)) if self.run_view.last_sequence else ()
        lines = [f"  watch it again: {self.command('watch', run_id, *after)}"]
        if self.run_goes_on:
            lines.append(f"  cancel it:      {self.command('cancel', run_id)}")
        if link := self.link(run_id):
            lines.append(f"  see it:         {link}")
        return [f"{self.interrupted}; the run {'goes on' if self.run_goes_on else 'is cancelled'}", *lines]
