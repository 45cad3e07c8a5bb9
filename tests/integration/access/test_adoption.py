"""What was stored while nobody was asked who they are belongs to the tenant `default`."""

from pathlib import Path

from consensus_client import ClientOptions, ReviewClient
from consensus_contract.errors import RunNotFound
from consensus_rpc.channel.bearer import Bearer
from tests.integration.access.test_credentials import outcome
from tests.support.access import keyed_pair, make_key
from tests.support.pair import REVIEW, running_pair, wait_serving

IDEA = "A rota lets two wards swap shifts on one page, and it is done when a swap takes under a minute."


async def found(client: ReviewClient) -> list[str]:
    return [run.run_id async for run in client.runs()]


async def test_keys_of_the_tenant_default_find_what_anonymous_stored(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'consensus.db'}"
    with running_pair(tmp_path, url) as before:
        async with before.client() as client:
            stored = (await client.stream(IDEA, key="k-1", user="ann"))[0].run_id
    own, other = (
        make_key(url, "--subject", "team", "--role", "admin", "--tenant", tenant)
        for tenant in ("default", "globex")
    )
    after = keyed_pair(tmp_path, url)
    try:
        after.start()
        wait_serving(after.review_address, REVIEW)
        async with ReviewClient(after.review_address, ClientOptions(bearer=Bearer(own))) as client:
            run = await client.get_run(stored)
            assert (run.caller, run.specification.user) == ("anonymous", "ann")
            started = await client.start_review(IDEA, idempotency_key="k-1")  # a key is its caller's own
            assert started.caller == "team"
            assert await found(client) == [started.run_id, stored]
            assert (await client.delete_run(stored)).HasField("delete_time")
        async with ReviewClient(after.review_address, ClientOptions(bearer=Bearer(other))) as client:
            assert isinstance(await outcome(client.get_run(stored)), RunNotFound)
            assert await found(client) == []
    finally:
        after.stop()
