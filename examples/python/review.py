"""Reviews an idea from Python: python examples/python/review.py "An idea in a few sentences.\""""

import asyncio
import os
import sys

from consensus.v1 import decision_pb2
from consensus_client import ReviewClient
from consensus_contract.errors import ConsensusError


async def main(idea: str) -> int:
    async with ReviewClient(os.environ.get("CONSENSUS_SERVER", "127.0.0.1:50051")) as client:
        try:
            async for event in client.review(idea):
                if event.HasField("persona_review_ready"):
                    review = event.persona_review_ready.persona_review
                    print(f"{review.persona_name}: {review.confidence_score}")
                if event.HasField("decision_ready"):
                    decision = event.decision_ready.decision
                    print(decision_pb2.DecisionLabel.Name(decision.label))
        except ConsensusError as error:
            print(f"{error.reason_name}: {error.message} (run {error.run_id}, request {error.request_id})")
            return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f'usage: {sys.argv[0]} "An idea in a few sentences."')
    sys.exit(asyncio.run(main(sys.argv[1])))
