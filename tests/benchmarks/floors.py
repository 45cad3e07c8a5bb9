"""The floors: the same job by hand, in one process, without a service.

`sdk`: the openai library over aiohttp, `responses.parse`, nothing stored. `sdk_inserts`: the same with
hand-written inserts. `http_inserts`: aiohttp alone with the same inserts. As one would write them: plain
asyncio, the garbage collector as it comes, a transaction per step.
"""

import asyncio
import json
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import httpx2
import openai
import psycopg2
from psycopg2.extras import Json
from psycopg2.pool import ThreadedConnectionPool

from review_service.steps.outputs import PROPOSAL_FORMAT, REVIEW_FORMAT, PersonaReviewOutput, ProposalOutput
from review_service.steps.prompts import EXPAND_INSTRUCTIONS, REVIEW_INSTRUCTIONS
from tests.benchmarks import job
from tests.benchmarks.loads import Jobs, obey

TABLES = """
CREATE TABLE floor_runs (id text PRIMARY KEY, key text UNIQUE, idea text, state text, decision text);
CREATE TABLE floor_proposals (run_id text PRIMARY KEY, content jsonb);
CREATE TABLE floor_reviews (run_id text, persona text, content jsonb, PRIMARY KEY (run_id, persona));
CREATE TABLE floor_decisions (run_id text PRIMARY KEY, content jsonb);
"""
_THREADS = 16
_CONNECTIONS = 10_000


class Store:
    """Hand-written inserts, a transaction each, in a pool of threads."""

    def __init__(self, url: str) -> None:
        self._pool = ThreadedConnectionPool(_THREADS, _THREADS, url)
        self._threads = ThreadPoolExecutor(_THREADS)

    async def write(self, *statements: tuple[str, tuple[Any, ...]]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._commit, statements)

    def _commit(self, statements: tuple[tuple[str, tuple[Any, ...]], ...]) -> None:
        connection = self._pool.getconn()
        try:
            with connection, connection.cursor() as cursor:
                for statement, values in statements:
                    cursor.execute(statement, values)
        finally:
            self._pool.putconn(connection)


class NoStore:
    """Stores nothing."""

    async def write(self, *statements: tuple[str, tuple[Any, ...]]) -> None:
        return


class Sdk:
    """Calls through the library."""

    def __init__(self, model_url: str) -> None:
        limits = httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        self._client = openai.AsyncOpenAI(
            api_key="sk-benchmark-0123456789", base_url=f"{model_url}/v1", max_retries=0,
            # Five seconds to connect, the default, are too few for 2,500 calls at once.
            http_client=openai.DefaultAioHttpClient(limits=limits), timeout=httpx2.Timeout(600, connect=60),
        )  # fmt: skip

    async def expand(self, run_id: str) -> dict[str, Any]:
        return await self._ask(run_id, ProposalOutput, EXPAND_INSTRUCTIONS, job.EXPAND_MESSAGE)

    async def review(self, run_id: str, persona: str) -> dict[str, Any]:
        messages = (job.REVIEW_MESSAGE, job.PERSONA_MESSAGES[persona])
        return await self._ask(run_id, PersonaReviewOutput, REVIEW_INSTRUCTIONS, *messages)

    async def _ask(self, run_id: str, kind: Any, instructions: str, *messages: str) -> dict[str, Any]:
        response = await self._client.responses.parse(
            model="gpt-5.1", instructions=instructions, text_format=kind, temperature=0.2, store=False,
            input=[{"role": "user", "content": message} for message in messages],
            max_output_tokens=8000, prompt_cache_key=run_id, metadata={"run_id": run_id},
        )  # fmt: skip
        assert response.output_parsed is not None
        answer: dict[str, Any] = response.output_parsed.model_dump()
        return answer


class Http:
    """Calls through aiohttp alone."""

    def __init__(self, model_url: str) -> None:
        self._url = f"{model_url}/v1/responses"
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def expand(self, run_id: str) -> dict[str, Any]:
        return await self._ask(run_id, PROPOSAL_FORMAT, EXPAND_INSTRUCTIONS, job.EXPAND_MESSAGE)

    async def review(self, run_id: str, persona: str) -> dict[str, Any]:
        messages = (job.REVIEW_MESSAGE, job.PERSONA_MESSAGES[persona])
        return await self._ask(run_id, REVIEW_FORMAT, REVIEW_INSTRUCTIONS, *messages)

    async def _ask(self, run_id: str, output: Any, instructions: str, *messages: str) -> dict[str, Any]:
        form = {"type": "json_schema", "name": output.name, "strict": True, "schema": output.schema}
        body = {
            "model": "gpt-5.1", "instructions": instructions, "text": {"format": form}, "temperature": 0.2,
            "store": False, "input": [{"role": "user", "content": message} for message in messages],
            "max_output_tokens": 8000, "prompt_cache_key": run_id, "metadata": {"run_id": run_id},
        }  # fmt: skip
        headers = {"authorization": "Bearer sk-benchmark-0123456789", "content-type": "application/json"}
        async with self._session.post(self._url, data=json.dumps(body).encode(), headers=headers) as response:
            whole = json.loads(await response.read())
        answer: dict[str, Any] = json.loads(whole["output"][0]["content"][0]["text"])
        return answer


async def conduct(model: Sdk | Http, store: Store | NoStore) -> None:
    """One review: eight transactions where anything is stored."""
    run_id = str(uuid.uuid4())
    insert_run = "INSERT INTO floor_runs (id, key, idea, state) VALUES (%s, %s, %s, 'RUNNING')"
    await store.write((insert_run, (run_id, f"key-{run_id}", job.IDEA)))
    proposal = await model.expand(run_id)
    await store.write(("INSERT INTO floor_proposals VALUES (%s, %s)", (run_id, Json(proposal))))

    async def ask(persona: str) -> float:
        review = await model.review(run_id, persona)
        await store.write(("INSERT INTO floor_reviews VALUES (%s, %s, %s)", (run_id, persona, Json(review))))
        return float(review["confidence_score"])

    scores = await asyncio.gather(*(ask(persona) for persona in job.PERSONA_MESSAGES))
    await store.write(
        ("INSERT INTO floor_decisions VALUES (%s, %s)", (run_id, Json(job.decide(scores)))),
        ("UPDATE floor_runs SET state = 'COMPLETED', decision = 'approve' WHERE id = %s", (run_id,)),
    )


def make_tables(url: str) -> None:
    """The tables of the floors, in a database of their own."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(TABLES)
    finally:
        connection.close()


def main(kind: str, model_url: str, database_url: str) -> None:
    async def make() -> Jobs:
        model = Http(model_url) if kind == "http_inserts" else Sdk(model_url)
        store = NoStore() if kind == "sdk" else Store(database_url)
        return {"review": lambda: conduct(model, store)}

    obey(make)


if __name__ == "__main__":
    main(*sys.argv[1:4])
