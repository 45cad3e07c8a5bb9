"""Which server comes to what: a probe and a review of each, as the table in docs/models.md.

`make servers`. Stand-ins refuse what real providers refuse (`tests/support/providers.py`); llama.cpp is a
real server with a small model, asked by both protocols, and through a gateway where LITELLM names the
command of one. `make test-model` compares the stand-ins with the page.
"""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from consensus.v1 import review_service_pb2, run_pb2
from consensus_client import ReviewClient, ReviewOptions
from consensus_contract.errors import ConsensusError, reason_name
from tests.model.llama import running_gateway, running_llama
from tests.support import providers
from tests.support.pair import Client, Pair
from tests.support.providers import Habit, Provider

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
BEGIN, END = "<!-- servers: made by `make servers` -->", "<!-- servers: end -->"
IDEA = "Let readers of our library app reserve a book. A reader is told by mail once it is there."
HEAD = "| server | probe | a review | calls | left out |\n| --- | --- | --- | --- | --- |"


@dataclass(frozen=True, slots=True)
class Server:
    """A row: what it is called, whether it is a stand-in, and the further lines of its route."""

    name: str
    habits: tuple[Habit, ...] = ()
    more: str = 'model = "m"'
    url: str = ""
    query: str = ""


_OLDER = providers.speaks_chat_only
STAND_INS = (
    Server("takes everything"),
    Server("reasoning model, refuses a temperature", (providers.refuses_temperature,)),
    Server("Chat Completions alone, cap under its newer name", (_OLDER, providers.refuses_max_tokens)),
    Server("Chat Completions alone, developer role alone", (_OLDER, providers.takes_the_role("developer"))),
    Server("says with status 200 that it has no such endpoint", (providers.has_unexpected_endpoints,)),
    Server(
        "Azure, dated endpoint",
        (providers.wants_api_version,),
        'key_header = "api-key"\nkey_variable = "STAND_IN_KEY"\nmodel = "m"',
        query="?api-version=2025-04-01-preview",
    ),
    Server("knows json_object at most", (providers.refuses_json_schema,)),
    Server("refuses a keyword of the schema", (providers.refuses_keyword("additionalProperties"),)),
    Server("refuses fields that it does not know", (providers.forbids_extra("metadata", "store"),)),
    Server("takes the schema and ignores it", (providers.ignores_the_schema,)),
    Server("comments before its answer", (providers.comments_first,)),
    Server("writes 2,000 tokens at most", (providers.caps_at(2_000),)),
    Server("reasoning uses the whole cap", (providers.thinks_the_cap_away,)),
    Server("cuts a prompt and says nothing", (providers.cuts_prompts(300),)),
)


def real(url: str, version: str) -> tuple[Server, ...]:
    """llama.cpp by both protocols; its slots take two calls at once."""
    common = 'model = "smollm2"\ncontext_window = 8192\nmax_output_tokens = 1000\nmax_concurrency = 2\n'
    common += "slow = true\nattempt_timeout_seconds = 240"
    return tuple(
        Server(f"llama.cpp ({version}), {said}", (), f'protocol = "{protocol}"\n{common}', url)
        for protocol, said in (("responses", "Responses"), ("chat_completions", "Chat Completions"))
    )


def gateway(url: str, version: str) -> tuple[Server, ...]:
    """LiteLLM in front of the same server: it knows both protocols, and speaks one to what is behind it."""
    common = (
        'model = "smollm2"\nkey_variable = "STAND_IN_KEY"\nmax_output_tokens = 1000\nmax_concurrency = 2\n'
    )
    common += "attempt_timeout_seconds = 240"
    return (Server(f"LiteLLM {version} before llama.cpp", (), common, url),)


async def outcomes(servers: Sequence[Server], folder: Path) -> list[str]:
    """A row of the table for each."""
    async with AsyncExitStack() as stack:
        tables = []
        for at, each in enumerate(servers):
            url = each.url or (await stack.enter_async_context(Provider(*each.habits).serving())).base_url
            tables.append(f'[routes.r{at}]\nbase_url = "{url}{each.query}"\n{each.more}\n')
        routes = folder / "routes.toml"
        await asyncio.to_thread(routes.write_text, "\n".join(tables), "utf-8")
        settings = {"MODEL_ROUTES": str(routes), "STAND_IN_KEY": "stand-in-key", "RUN_TIMEOUT_SECONDS": "900"}
        pair = Pair(folder, f"sqlite:///{folder / 'consensus.db'}", settings)
        stack.callback(pair.stop)
        await asyncio.to_thread(pair.start)
        async with pair.client() as stubs, ReviewClient(pair.review_address) as client:
            return [await _row(stubs, client, each, f"r{at}") for at, each in enumerate(servers)]


async def _row(stubs: Client, client: ReviewClient, server: Server, route: str) -> str:
    model = f"{route}:"
    retries = 3
    options = ReviewOptions(expand_model=model, review_model=model, min_personas=3, max_retries=retries)
    run = await client.start_review(IDEA, options=options)
    with suppress(ConsensusError):
        async for _ in client.watch_run(run.run_id):
            pass
    run = await client.get_run(run.run_id)
    attempts = [each async for each in client.attempts(run.run_id)]
    asked = review_service_pb2.ProbeModelRoutesRequest(routes=[route])
    (probe,) = (await stubs.review.ProbeModelRoutes(asked, timeout=300)).probes
    left_out = sorted({name for each in attempts for name in each.dropped_parameters})
    cells = (server.name, _probed(probe), _ended(run), str(len(attempts)), ", ".join(left_out))
    return f"| {' | '.join(cells)} |"


def _probed(probe: review_service_pb2.ModelRouteProbe) -> str:
    if not probe.usable:
        return f"{probe.protocol or 'no protocol'}: {probe.cause or reason_name(probe.reason)}"
    enforced = "schema enforced" if probe.schema_enforced else "schema not enforced"
    return f"{probe.protocol}, {enforced}"


def _ended(run: run_pb2.Run) -> str:
    if run.state == run_pb2.RUN_STATE_COMPLETED:
        return f"decided by {len(run.persona_reviews)} of 5"
    failed = {each.cause or reason_name(each.reason) for each in run.failure.persona_failures}
    return ": ".join([reason_name(run.failure.reason), *([", ".join(sorted(failed))] if failed else [])])


def page_with(rows: list[str]) -> str:
    """The page with these rows between its marks."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    asked = f"Asked on {datetime.now(UTC):%Y-%m-%d}:"
    return f"{before}{BEGIN}\n{asked}\n\n{HEAD}\n" + "\n".join(rows) + f"\n\n{END}{after}"


def main() -> None:
    """Asks the servers, and writes the table."""
    with ExitStack() as stack:
        rows = asyncio.run(outcomes(STAND_INS, Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        url, version = stack.enter_context(running_llama())
        servers = real(url, version)
        if command := os.environ.get("LITELLM"):
            servers += gateway(*stack.enter_context(running_gateway(command, url)))
        else:
            print("left out: a gateway, since LITELLM names no command")
        found = asyncio.run(outcomes(servers, Path(stack.enter_context(tempfile.TemporaryDirectory()))))
    print("\n".join((*found, *rows)))
    PAGE.write_text(page_with([*found, *rows]), "utf-8")


if __name__ == "__main__":
    main()
