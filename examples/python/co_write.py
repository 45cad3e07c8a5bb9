"""Three people write a draft in turns, have it reviewed, and revise what came of it.

    python examples/python/co_write.py

CONSENSUS_PERSISTENCE names the persistence service, which keeps drafts, CONSENSUS_SERVER the review service.
"""

import asyncio
import os
import sys

from consensus.v1 import decision_pb2, draft_pb2, run_pb2
from consensus_client import DraftClient, ReviewClient
from consensus_contract.errors import ConsensusError, NotRingHolder

ANN, BEN, CLEO = "ann", "ben", "cleo"
EDITOR = draft_pb2.COLLABORATOR_ROLE_EDITOR

WHAT = "Patients of three practices get a text message the day before their appointment."
HOW = "It names day and hour only, never the reason, and a reply of C cancels. Replies are kept for 30 days."
WHEN = "We start with one practice for four weeks, and stop if missed appointments do not fall by a fifth."
EDIT = "Staff sign in with a second factor before they see any number."


async def write_in_turns(drafts: DraftClient) -> draft_pb2.Draft:
    """Each writes while holding the ring, and passes it on; nobody else can."""
    draft = await drafts.create("Appointment reminders", user=ANN, first_segment=WHAT)
    draft_id = draft.draft_id
    await drafts.add(draft_id, BEN, EDITOR, user=ANN)
    invitation = await drafts.invite(draft_id, EDITOR, user=ANN, invitee=CLEO)
    await drafts.accept(draft_id, invitation.token, user=CLEO)
    try:
        await drafts.append(draft_id, HOW, user=BEN)
    except NotRingHolder:
        print(f"{BEN} waits for the ring")
    await drafts.pass_ring(draft_id, BEN, user=ANN)
    await drafts.append(draft_id, HOW, user=BEN)
    await drafts.pass_ring(draft_id, CLEO, user=BEN)
    await drafts.append(draft_id, WHEN, user=CLEO)
    await drafts.update(draft_id, user=ANN, state=draft_pb2.DRAFT_STATE_COMPLETED)
    return await drafts.get(draft_id)


async def decided(reviews: ReviewClient, run_id: str) -> run_pb2.Run:
    """The run, once it has ended with a decision."""
    async for _ in reviews.watch_run(run_id):
        pass
    return await reviews.get_run(run_id)


def report(word: str, run: run_pb2.Run) -> None:
    label = decision_pb2.DecisionLabel.Name(run.decision.label).removeprefix("DECISION_LABEL_").lower()
    asked = [each.persona_id for each in run.persona_reviews if not each.reused_from_run_id]
    print(
        f"{word} {run.run_id}: {label}, {run.decision.overall_weighted_confidence}; asked {', '.join(asked)}"
    )


async def main() -> int:
    persistence = os.environ.get("CONSENSUS_PERSISTENCE", "127.0.0.1:50052")
    review = os.environ.get("CONSENSUS_SERVER", "127.0.0.1:50051")
    async with DraftClient(persistence) as drafts, ReviewClient(review) as reviews:
        try:
            draft = await write_in_turns(drafts)
            for segment in draft.segments:
                print(f"{segment.position} {segment.author_display}: {segment.text}")
            run = await reviews.submit_draft(draft.draft_id, user=CLEO)
            report("run", run := await decided(reviews, run.run_id))
            revision = await reviews.revise_run(run.run_id, edit_notes=EDIT, user=BEN)
            report("revision", await decided(reviews, revision.run_id))
        except ConsensusError as error:
            print(f"{error.reason_name}: {error.message} (request {error.request_id})")
            return 1
    print(f"draft {draft.draft_id}")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
