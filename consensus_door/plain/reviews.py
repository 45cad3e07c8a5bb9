"""A whole review by one request: started, waited for, answered with the run."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from starlette.requests import Request
from starlette.responses import Response

from consensus.v1 import review_service_pb2, run_pb2
from consensus_client.cursors import RunCursor
from consensus_client.reconnecting import Reconnection, ReconnectPolicy
from consensus_contract.errors import ConsensusError
from consensus_door.plain.answering import json_response, message_of
from consensus_door.plain.requests import Preference, idempotency_key
from consensus_door.problems import problem
from consensus_door.rpc.packed import turned
from consensus_door.services.calling import Credential
from consensus_door.services.services import Services
from consensus_rpc.errors import CallDeadlineExceeded


@dataclass(frozen=True, slots=True)
class Reviews:
    """Starts reviews in the caller's name."""

    services: Services

    async def full_review(self, request: Request) -> Response:
        """Answers with the run, COMPLETED (200), or as it stands when the caller waits no longer (202).

        Raises:
            ConsensusError: it was not started, or cannot be followed. A run that failed is answered for here.
        """
        credential = Credential.of(request.headers)
        review = await message_of(request, review_service_pb2.ReviewInput)
        key = idempotency_key(request.headers)
        preference = Preference.of(request.headers.get("prefer", ""))
        if preference.is_async:
            return await self._begun(review, key, credential)
        cursor = RunCursor()
        wait = self.services.call_seconds if preference.wait_seconds is None else preference.wait_seconds
        try:
            is_over = await self._waited_for(wait, review, key, credential, cursor)
        except ConsensusError as error:
            if error.run_state is None or error.run_id is None:
                raise
            return problem(error, await self._partial_results(error.run_id, credential))
        assert cursor.run_id is not None
        run = await self._run(cursor.run_id, credential)
        return await json_response(run, 200 if is_over else 202, _where(cursor.run_id))

    async def _waited_for(
        self,
        seconds: float,
        review: review_service_pb2.ReviewInput,
        key: str,
        credential: Credential,
        cursor: RunCursor,
    ) -> bool:
        """Whether the run ended in time; it has begun at least, and goes on.

        Raises:
            ConsensusError: it failed, did not begin, or cannot be followed.
        """
        has_begun = asyncio.Event()
        following = asyncio.create_task(self._follow(review, key, credential, cursor, has_begun))
        beginning = asyncio.create_task(has_begun.wait())
        try:
            await asyncio.wait({following}, timeout=min(seconds, self.services.call_seconds))
            if not following.done():
                await asyncio.wait(
                    {following, beginning},
                    timeout=self.services.call_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            if following.done():
                following.result()
                return True
            if not has_begun.is_set():
                raise CallDeadlineExceeded("the run did not begin in time")
            return False
        finally:
            following.cancel()
            beginning.cancel()
            await asyncio.gather(following, beginning, return_exceptions=True)

    async def _begun(
        self, review: review_service_pb2.ReviewInput, key: str, credential: Credential
    ) -> Response:
        answer = await self.services.ask(
            review_service_pb2.StartReviewRequest(review=review, idempotency_key=key), credential
        )
        return await json_response(
            answer.run, 202, _where(answer.run.run_id) | {"preference-applied": "respond-async"}
        )

    async def _follow(
        self,
        review: review_service_pb2.ReviewInput,
        key: str,
        credential: Credential,
        cursor: RunCursor,
        has_begun: asyncio.Event,
    ) -> None:
        """Follows a run to its end, over any number of cut streams.

        Raises:
            ConsensusError: the run failed, or no stream comes through; without a key also that the first was
                cut before its first event, since nobody knows then whether the run began.
        """
        reconnection = Reconnection(ReconnectPolicy())
        while True:
            try:
                async with aclosing(self._stream(review, key, credential, cursor)) as messages:
                    async for message in messages:
                        reconnection.still_alive()
                        for _ in cursor.take(message):
                            reconnection.progressed()
                            has_begun.set()
                cursor.check_end()
                return
            except ConsensusError as error:
                if cursor.run_id is None and not key:
                    raise
                delay = reconnection.wait_seconds(error)
            await asyncio.sleep(delay)

    def _stream(
        self, review: review_service_pb2.ReviewInput, key: str, credential: Credential, cursor: RunCursor
    ) -> AsyncGenerator[Any]:
        watch = cursor.watch_request()
        if watch is None:
            return self.services.follow(
                review_service_pb2.StreamReviewRequest(review=review, idempotency_key=key), credential
            )
        return self.services.follow(watch, credential)

    async def _partial_results(self, run_id: str, credential: Credential) -> dict[str, Any]:
        """What a run that failed has all the same; nothing where it cannot be read now: why it failed matters
        more, and the run's id stands beside it."""
        try:
            run = await self._run(run_id, credential)
            return await turned(run.ByteSize(), _partial, run)
        except ConsensusError:
            return {}

    async def _run(self, run_id: str, credential: Credential) -> run_pb2.Run:
        answer = await self.services.ask(review_service_pb2.GetRunRequest(run_id=run_id), credential)
        run: run_pb2.Run = answer.run
        return run


def _where(run_id: str) -> dict[str, str]:
    return {"location": f"/v1/runs/{run_id}", "x-run-id": run_id}


def _partial(run: run_pb2.Run) -> dict[str, Any]:
    """What a run that failed has all the same."""
    told = json_format.MessageToDict(run, always_print_fields_with_no_presence=True)
    return {
        "partial_results": {
            name: told[name] for name in ("proposal", "personaReviews", "steps", "turnout") if name in told
        }
    }
