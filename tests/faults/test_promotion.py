"""A PostgreSQL primary that dies under reviews, and its standby that takes its place.

One for which commits waited has everything. One for which they did not lacks what was acknowledged last, and
checkpoints kept elsewhere name what that was.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from consensus_contract.errors import RunNotFound
from consensus_rpc.channel.status import contract_errors
from persistence_service.audit.checkpoints import new_signing_key, signing_key
from tests.faults.case import Case, Follower, running_case
from tests.faults.stack import Stack
from tests.faults.standby import Servers
from tests.support.pair import kinds, until
from tests.support.postgres import Cluster
from tests.support.processes import clean_environment, run_command

_RUNS = 100
_WAIT_SECONDS = 60.0


@pytest.fixture
def pair() -> Iterator[Servers]:
    with Cluster() as primary, Cluster(primary) as standby:
        yield Servers(primary, standby)


@pytest.fixture
async def own_case(pair: Servers, tmp_path: Path, mark: str) -> AsyncIterator[Case]:
    """A case on a primary whose commits wait for its standby."""
    pair.primary.require_standby()
    await _until(pair.in_step)
    async with pair.stack(tmp_path) as stack, running_case(stack, mark) as case:
        yield case


@dataclass(slots=True)
class Kept:
    """What is kept of the audit trail where no database is: a key, and checkpoints signed with it."""

    folder: Path
    key: str = field(default_factory=new_signing_key)

    @property
    def settings(self) -> dict[str, str]:
        return {"AUDIT_SIGNING_KEY": self.key, "AUDIT_CHECKPOINT_FILE": str(self.folder / "own.jsonl")}

    def found_missing(self, stack: Stack) -> dict[str, str]:
        """By stream, what the trail as it stands lacks of the checkpoints."""
        self.audit(stack, "export", "-o", "trail.jsonl")
        public_key = signing_key(self.key).public_key().public_bytes_raw().hex()
        said = self.audit(
            stack, "verify", "trail.jsonl", "--checkpoints", "kept.jsonl", "--public-key", public_key, code=1
        )
        *findings, verdict = said.splitlines()
        assert verdict.startswith("NOT whole")
        return {each.split(" ", 1)[0]: each.rpartition(": ")[2] for each in findings}

    def audit(self, stack: Stack, *arguments: str, code: int = 0) -> str:
        environment = clean_environment(CONSENSUS_PERSISTENCE=stack.persistences[0].address)
        answer = run_command("audit", *arguments, environment=environment, folder=self.folder)
        assert answer.returncode == code, answer.stderr
        return answer.stdout


async def _until(condition: Callable[[], bool]) -> None:
    await until(lambda: asyncio.to_thread(condition), _WAIT_SECONDS)


@pytest.mark.slow_fault
async def test_the_primary_is_killed_and_the_standby_promoted(own_case: Case, pair: Servers) -> None:
    case = own_case
    await case.hold("critic", "optimist")
    callers = [await case.stream(case.stack.reviews[n % 2]) for n in range(_RUNS)]
    await asyncio.gather(*(caller.until("persona_review_ready", 3) for caller in callers))
    asked = await _asked(case, callers)
    begun = await case.start(case.stack.reviews[0])  # is written while the primary dies

    await case.release()
    async with pair.promoted(case.stack):
        ends = await asyncio.gather(*(case.finish(caller.run_id, caller.last) for caller in callers))
        ends.append(await case.finish(begun))
        later = await case.start(case.stack.reviews[1])

    assert Counter(kinds(events)[-1] for events in ends) == {"run_completed": _RUNS + 1}
    assert kinds(await case.finish(later))[-1] == "run_completed"
    assert await _asked(case, callers) == asked


async def _asked(case: Case, callers: list[Follower]) -> dict[tuple[str, str], int]:
    """How often the model was asked for each review that a caller has: twice where a lease ran out before."""
    asked = {}
    for caller in callers:
        for persona in caller.reviewed():
            counted = await case.model_wait({}, run_id=caller.run_id, persona=persona)
            asked[caller.run_id, persona] = counted["total"]["started"]
    return asked


@pytest.mark.slow_fault
@pytest.mark.timeout(300)  # two servers and five processes, on whatever machine
async def test_what_an_asynchronous_standby_lacks_is_named_by_checkpoints(
    pair: Servers, tmp_path: Path, mark: str
) -> None:
    kept = Kept(tmp_path)
    async with (
        pair.stack(tmp_path, kept.settings) as stack,
        running_case(stack, mark, is_checked=False) as case,  # for once, what was acknowledged is not there
    ):
        whole = await case.start(stack.reviews[0])
        await case.finish(whole)
        await case.hold("critic")
        shortened = await case.stream(stack.reviews[1])
        await shortened.until("persona_review_ready", 4)
        await _until(partial(pair.has, str(pair.primary.ask("SELECT pg_current_wal_lsn()"))))
        await asyncio.to_thread(pair.standby.follow, None)
        await _until(pair.is_cut)

        await case.release()
        await shortened.rest()
        lost = [await case.start(review) for review in stack.reviews]
        for run_id in lost:
            await case.finish(run_id)
        await asyncio.to_thread(kept.audit, stack, "checkpoint", "-o", "kept.jsonl")
        async with pair.promoted(stack):
            await asyncio.to_thread(stack.wait_serving)

            # Whoever takes it over knows of no review by the critic, and asks for one again.
            assert kinds(await case.finish(shortened.run_id))[-1] == "run_completed"
            later = await case.start(stack.reviews[0])
            assert kinds(await case.finish(later))[-1] == "run_completed"
            for run_id in lost:
                with pytest.raises(RunNotFound), contract_errors():
                    await case.run(run_id)
            assert (await case.run(whole)).decision.label
            assert await asyncio.to_thread(kept.found_missing, stack) == {
                f"runs/{shortened.run_id}": "recomputed",
                **{f"runs/{run_id}": "cut off" for run_id in lost},
            }
