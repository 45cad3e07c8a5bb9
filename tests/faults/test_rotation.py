"""Certificates and keys are replaced under a hundred running reviews, and none is lost."""

import asyncio
import ssl
from collections import Counter
from pathlib import Path

import pytest

from consensus_client import AccessClient, ClientOptions, ReviewClient
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.bearer import Bearer
from consensus_rpc.channel.channels import ChannelOptions
from consensus_rpc.errors import CredentialEnded
from offline_model.control_client import ControlClient
from offline_model.script import Rule
from tests.support.access import make_key
from tests.support.pair import Pair
from tests.support.postgres import Server
from tests.support.tls import Pki, pair_settings

IDEA = "A rota lets two wards swap shifts on one page, and it is done when a swap takes under a minute."
REVIEWS = 100


def certificate_of(address: str) -> str:
    """What a server shows to who connects now."""
    host, _, port = address.rpartition(":")
    return ssl.get_server_certificate((host, int(port)), timeout=10)


def options(pki: Pki, key: str) -> ClientOptions:
    return ClientOptions(channel=ChannelOptions(tls=pki.channel_tls()), bearer=Bearer(key))


@pytest.mark.slow_fault
async def test_no_review_is_lost_while_certificates_and_keys_are_replaced(
    tmp_path: Path, postgres_server: Server
) -> None:
    pki = Pki(tmp_path / "pki")
    review, persistence = pair_settings(pki)
    asks = {"AUTHENTICATION": "keys", "KEY_CACHE_SECONDS": "1"}
    with postgres_server.database() as url:
        admin = make_key(url, "--subject", "admin", "--role", "admin")
        tls = pki.channel_tls(pki.client("tests"))
        pair = Pair(tmp_path, url, review | asks, persistence | asks, tls=tls)
        try:
            pair.start()
            await rotate_under_load(pair, pki, admin)
        finally:
            pair.stop()


async def rotate_under_load(pair: Pair, pki: Pki, admin: str) -> None:
    async with (
        ControlClient(pair.model_url) as model,
        AccessClient(pair.persistence_address, options(pki, admin)) as access,
    ):
        await model.script(Rule(delay_seconds=3.0))
        first = await access.create("batch", ["submitter"])
        async with ReviewClient(pair.review_address, options(pki, first.secret)) as before:
            runs = [await before.start_review(IDEA) for _ in range(REVIEWS // 2)]
            watching = [asyncio.create_task(ending(before, each.run_id)) for each in runs]
            shown = [certificate_of(each) for each in addresses(pair)]

            pair_settings(pki)  # new certificates of the same names, in the places of the old
            second = await access.rotate(first.key.key_id)
            await access.revoke(first.key.key_id)
            await asyncio.sleep(2)  # files are looked at every second, and a key is believed for one
            assert not set(shown) & {certificate_of(each) for each in addresses(pair)}

            async with ReviewClient(pair.review_address, options(pki, second.secret)) as after:
                runs += [await after.start_review(IDEA) for _ in range(REVIEWS // 2)]
                ends = await asyncio.gather(*(ending(after, each.run_id) for each in runs))
            cut = await asyncio.gather(*watching)
        assert Counter(ends) == {"run_completed": REVIEWS}
        assert set(cut) <= {"run_completed", CredentialEnded.__name__}
        calls = (await model.counters())["calls"]
        asked = Counter(call["step"] for call in calls for _ in range(call["started"]))
        assert set(asked.values()) == {REVIEWS}


def addresses(pair: Pair) -> tuple[str, str]:
    return pair.review_address, pair.persistence_address


async def ending(client: ReviewClient, run_id: str) -> str:
    """What a run's events end with, or why they were not shown to their end."""
    last = ""
    try:
        async for event in client.watch_run(run_id):
            last = str(event.WhichOneof("payload"))
    except ConsensusError as error:
        return type(error).__name__
    return last
