"""Runs for pages to show: begun over plain HTTP, and one that is held while it is looked at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from offline_model.control_client import ControlClient
from offline_model.script import Rule
from tests.support.door import Door
from tests.support.pair import until


async def reviewed(door: Door, idea: str, user: str = "") -> str:
    """The id of a run that has ended."""
    async with (
        aiohttp.ClientSession(base_url=door.url) as http,
        http.post("/v1/full-review", json={"idea": idea, "user": user}) as answer,
    ):
        told = await answer.json()
        run_id: str = told["runId" if answer.status == 200 else "run_id"]
        return run_id


async def revised(door: Door, run_id: str) -> str:
    """The id of a revision of this run, which has ended."""
    wanted = {"parentRunId": run_id, "editNotes": "Say who pays."}
    path = "/consensus.v1.ReviewService/ReviseRun"
    async with aiohttp.ClientSession(base_url=door.url) as http, http.post(path, json=wanted) as answer:
        revision: str = (await answer.json())["run"]["runId"]
    await until(lambda: ended(door, revision), 60)
    return revision


async def begun(door: Door, idea: str, user: str = "") -> str:
    """The id of a run that goes on."""
    async with (
        aiohttp.ClientSession(base_url=door.url, headers={"prefer": "respond-async"}) as http,
        http.post("/v1/full-review", json={"idea": idea, "user": user}) as answer,
    ):
        run_id: str = (await answer.json())["runId"]
        return run_id


async def ended(door: Door, run_id: str) -> bool:
    """Whether nothing more will happen to it."""
    async with aiohttp.ClientSession(base_url=door.url) as http, http.get(f"/v1/runs/{run_id}") as answer:
        state: str = (await answer.json())["state"]
        return state not in {"RUN_STATE_QUEUED", "RUN_STATE_RUNNING"}


@asynccontextmanager
async def held(door: Door, persona: str, mark: str) -> AsyncIterator[ControlClient]:
    """Meanwhile this persona gives no answer about what has the mark in it, until the mark is released."""
    async with ControlClient(door.pair.model_url) as model:
        await model.script(Rule(persona=persona, contains=mark, hold=mark))
        try:
            yield model
        finally:
            await model.release(mark)
