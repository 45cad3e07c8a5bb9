"""One case: callers whose words are kept, a stack to harm, and the checker at its end."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from consensus.v1 import document_pb2, panel_pb2, panel_service_pb2, review_service_pb2, run_event_pb2
from offline_model.script import Rule
from tests.faults.checker.check import violations
from tests.faults.checker.evidence import Evidence, model_calls
from tests.faults.checker.snapshot import load, open_runs, run_ids
from tests.faults.checker.witness import Witness
from tests.faults.stack import CANARIES, IDEA_CANARY, USER_CANARY, Stack
from tests.support.pair import Client, kinds, until
from tests.support.processes import Process

ENDS = {"run_completed", "run_failed", "run_cancelled"}
PERSONAS = ("architect", "critic", "optimist", "security_guardian", "user_advocate")
# A panel that a request brings; two of its names are those that cases hold back.
SEVEN = ("critic", "optimist", "editor", "operator", "tester", "translator", "lawyer")
# What a case is about; `make test` leaves the documents to `make faults`.
ABOUT = ["idea", pytest.param("document", marks=pytest.mark.slow_fault)]
_RETRY_SECONDS = 0.1
_PATIENCE_SECONDS = 17.0  # above the services' own interval between signs of life
_ENDING_SECONDS = 120.0


@dataclass(slots=True)
class Follower:
    """A stream that is read as it comes."""

    call: Any
    case: "Case"
    key: str
    after: int = 0
    events: list[run_event_pb2.RunEvent] = field(default_factory=list)
    """All that it was told, whether `read` has answered with it or not."""
    _unread: deque[run_event_pb2.RunEvent] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.seen = self.case.witness.stream(self.after)

    seen: Any = None
    patience_seconds: float | None = None
    """How long it may hear nothing, not even a sign of life."""

    @property
    def run_id(self) -> str:
        return self.events[0].run_id

    @property
    def last(self) -> int:
        return self.events[-1].sequence if self.events else self.after

    def has_ended(self) -> bool:
        return bool(self.events) and str(self.events[-1].WhichOneof("payload")) in ENDS

    async def read(self) -> run_event_pb2.RunEvent | None:
        """The next event; None at the end of the stream."""
        while not self._unread:
            async with asyncio.timeout(self.patience_seconds):
                message = await self.call.read()
            if message is grpc.aio.EOF:
                return None
            for event in message.events:
                self.case.witness.saw(self.seen, event, self.key)
            self.events.extend(message.events)
            self._unread.extend(message.events)
        return self._unread.popleft()

    async def until(self, kind: str, count: int = 1) -> None:
        """Read until that many events of this kind have come."""
        while kinds(self.events).count(kind) < count:
            if await self.read() is None:
                raise AssertionError(f"the stream ended with {kinds(self.events)}")

    async def rest(self) -> list[run_event_pb2.RunEvent]:
        """Read to the end; a failed run's status is no error here."""
        try:
            while await self.read() is not None:
                pass
        except grpc.aio.AioRpcError as error:
            self.case.witness.texts.append(f"{error.details()} {error.trailing_metadata()}")
            if not self.has_ended():
                raise
        return self.events

    def reviewed(self) -> list[str]:
        """The personas whose reviews have come."""
        return [
            event.persona_review_ready.persona_review.persona_id
            for event in self.events
            if event.HasField("persona_review_ready")
        ]


@dataclass(slots=True)
class Case:
    """One case on one stack; `mark` stands in its ideas, and in no other's.

    `is_document`: what is reviewed is a document, summarised, by a panel of seven, and not an idea.
    """

    stack: Stack
    mark: str
    is_document: bool = False
    witness: Witness = field(default_factory=Witness)
    before: frozenset[str] = frozenset()
    _clients: dict[str, Client] = field(default_factory=dict)
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def idea(self) -> str:
        return (
            f"{self.mark} {IDEA_CANARY} lets nurses hand over a shift from one page. It replaces the paper "
            "form on two wards first, and it is done when handovers take under five minutes."
        )

    @property
    def personas(self) -> tuple[str, ...]:
        return SEVEN if self.is_document else PERSONAS

    def wanted(self, idea: str = "", **fields: Any) -> review_service_pb2.ReviewInput:
        """What a caller asks for."""
        if self.is_document:
            fields["document"] = document_pb2.Document(text=f"# Handover\n\n{idea or self.idea}\n")
            fields["document_expansion"] = document_pb2.DOCUMENT_EXPANSION_SUMMARISE
            fields["options"] = review_service_pb2.ReviewOptions(inline_panel=_panel_of(SEVEN))
        else:
            fields["idea"] = idea or self.idea
        return review_service_pb2.ReviewInput(user=USER_CANARY, **fields)

    async def at(self, review: Process | str) -> Client:
        """A caller of the review service there, kept for the case."""
        address = review if isinstance(review, str) else review.address
        if address not in self._clients:
            lent = self.stack.client(address)
            self._clients[address] = await self._open.enter_async_context(lent)
        return self._clients[address]

    async def script(self, *rules: Rule) -> None:
        """Rules of the model for this case's calls alone."""
        client = await self.at(self.stack.reviews[0])
        await client.model.script(*(rule.model_copy(update={"contains": self.mark}) for rule in rules))

    async def hold(self, *personas: str, name: str = "", times: int | None = None) -> None:
        """The model keeps its answers for these personas (`expand` for the expander) until `release`."""
        hold = name or self.mark
        await self.script(
            *(
                Rule(step="expand", hold=hold, times=times)
                if persona == "expand"
                else Rule(persona=persona, hold=hold, times=times)
                for persona in personas
            )
        )

    async def release(self, name: str = "") -> None:
        """Let go what is held, and what comes to be held later."""
        await (await self.at(self.stack.reviews[0])).model.release(name or self.mark)

    async def model_wait(self, least: dict[str, int], **filters: Any) -> dict[str, Any]:
        """Wait until the model has counted that much."""
        return await (await self.at(self.stack.reviews[0])).model.wait(least, **filters)

    async def stream(
        self,
        review: Process | str,
        *,
        key: str = "",
        idea: str = "",
        timeout: float | None = None,
        on_disconnect: int = 0,
        **fields: Any,
    ) -> Follower:
        """Begin a review; `timeout` in seconds is the call's own."""
        client = await self.at(review)
        request = review_service_pb2.StreamReviewRequest(
            review=self.wanted(idea, **fields),
            idempotency_key=key,
            on_disconnect=on_disconnect,  # type: ignore[arg-type]  # a number, as on the wire
        )
        return Follower(client.review.StreamReview(request, timeout=timeout), self, key)

    async def start(self, review: Process | str, *, key: str = "", idea: str = "") -> str:
        """Start a review without following it; its run."""
        client = await self.at(review)
        request = review_service_pb2.StartReviewRequest(review=self.wanted(idea), idempotency_key=key)
        answer = await client.review.StartReview(request, timeout=30)
        run_id: str = answer.run.run_id
        self.witness.start(run_id, key)
        return run_id

    async def watch(self, review: Process | str, run_id: str, after: int = 0) -> Follower:
        """Follow a run."""
        client = await self.at(review)
        request = review_service_pb2.WatchRunRequest(run_id=run_id, after_sequence=after)
        return Follower(client.review.WatchRun(request), self, "", after)

    async def finish(self, run_id: str, after: int = 0) -> list[run_event_pb2.RunEvent]:
        """Follow a run to its end, whatever happens to those who are asked; its events after `after`."""
        events: list[run_event_pb2.RunEvent] = []
        while True:
            for review in self.stack.reviews:
                follower = await self.watch(review, run_id, after)
                follower.patience_seconds = _PATIENCE_SECONDS
                try:
                    await follower.rest()
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(_RETRY_SECONDS)
                except TimeoutError:  # whoever was asked stands still
                    follower.call.cancel()
                events += follower.events
                after = follower.last
                if events and follower.has_ended():
                    return events

    async def run(self, run_id: str) -> Any:
        """A run, whole."""
        return await (await self.at(self.stack.reviews[0])).get(run_id)

    def evidence(self) -> Evidence:
        """All that the case has left so far."""
        return Evidence(
            snapshot=load(self.stack.database_url, without=self.before),
            calls=model_calls(self.stack.control.counters(), self.before),
            witness=self.witness,
            logs=self.stack.logs(),
            canaries=CANARIES,
        )

    async def all_ended(self) -> None:
        """Wait until every run has ended, also those of which nobody was told, or for long enough."""

        async def have_ended() -> bool:
            return not await asyncio.to_thread(open_runs, self.stack.database_url) - self.before

        with suppress(TimeoutError):  # a rule says which have not
            await until(have_ended, _ENDING_SECONDS)

    async def check(self) -> None:
        """Apply every rule.

        Raises:
            AssertionError: rules are broken; says which, and how.
        """
        await self.all_ended()
        if broken := violations(await asyncio.to_thread(self.evidence)):
            raise AssertionError("\n".join(broken))


def _panel_of(personas: tuple[str, ...]) -> panel_service_pb2.Panel:
    return panel_service_pb2.Panel(
        personas=[
            panel_pb2.Persona(
                persona_id=each,
                display_name=each.title(),
                weight=1,
                holds_veto=each == "lawyer",
                instructions=f"Read as the {each} of a hospital would; say what is missing for that work.",
            )
            for each in personas
        ]
    )


@asynccontextmanager
async def running_case(
    stack: Stack, mark: str, *, is_document: bool = False, is_checked: bool = True
) -> AsyncIterator[Case]:
    """A case that heals what it harmed, waits for its runs, and is checked, unless it has failed already."""
    await asyncio.to_thread(stack.heal)
    before = frozenset(await asyncio.to_thread(run_ids, stack.database_url))
    case = Case(stack, mark, is_document, before=before)
    async with case._open:
        try:
            yield case
            await case.release()
            await asyncio.to_thread(stack.heal)
            if is_checked:
                await case.check()
        finally:
            await case.release()
