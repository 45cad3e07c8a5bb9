"""The job on DBOS Transact, in one process, as its documentation has it.

- An asynchronous `@DBOS.workflow()` that calls asynchronous `@DBOS.step()`s: expand, then five at once.
  They are begun in a fixed order with `create_task` and awaited by `gather` with `return_exceptions`, as
  its guide asks of steps that run at once. The decision is arithmetic and so no step; as the workflow's
  result it is stored too.
- The idempotency key is the workflow's id, by `SetWorkflowID`. The workflow is called, not started in the
  background, since the caller wants its result.
- The system database is PostgreSQL with 100 connections (default 20), since 100 reviews and more run at
  once.
- Everything else is the default: retries of steps off, LISTEN/NOTIFY on, no tracing, no queue in between.
- The model is called by the SDK floor's own class.
"""

import asyncio
import sys
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID

from tests.benchmarks import job
from tests.benchmarks.floors import Sdk
from tests.benchmarks.loads import Jobs, obey
from tests.benchmarks.peers.starts import of_keys

_CONNECTIONS = 100


def workflow(model: Sdk) -> Any:
    """The workflow, registered: a run's id and an idea in, a decision out."""

    @DBOS.step()
    async def expand(run_id: str) -> dict[str, Any]:
        return await model.expand(run_id)

    @DBOS.step()
    async def ask(run_id: str, persona: str) -> dict[str, Any]:
        return await model.review(run_id, persona)

    @DBOS.workflow()
    async def review(run_id: str, idea: str) -> dict[str, Any]:
        await expand(run_id)
        asked = [asyncio.create_task(ask(run_id, persona)) for persona in job.PERSONA_MESSAGES]
        scores = []
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
            scores.append(answer["confidence_score"])
        return job.decide(scores)

    return review


def main(model_url: str, database_url: str) -> None:
    async def make() -> Jobs:
        config: DBOSConfig = {
            "name": "review-panel", "system_database_url": database_url, "sys_db_pool_size": _CONNECTIONS,
        }  # fmt: skip
        DBOS(config=config)
        run = workflow(Sdk(model_url))
        DBOS.launch()

        async def review(key: str) -> None:
            with SetWorkflowID(key):
                decision = await run(key, job.IDEA)
            assert len(decision["scores"]) == len(job.PERSONA_MESSAGES)

        return of_keys(review)

    obey(make)
    DBOS.destroy()


if __name__ == "__main__":
    main(*sys.argv[1:3])
