"""What gRPC repeats by itself for a client: what the contract publishes, and nothing else."""

from pathlib import Path

import pytest

from consensus_client import ClientOptions, ReconnectPolicy, ReviewClient
from consensus_rpc.channel.channels import ChannelOptions
from consensus_rpc.errors import ShuttingDown
from tests.unit.consensus_client import samples
from tests.unit.consensus_client.scripted import ScriptedService, serving

PUBLISHED = Path(__file__).resolve().parents[3] / "protos" / "consensus" / "v1" / "service_config.json"
WITHOUT_PATIENCE = ClientOptions(reconnect=ReconnectPolicy(start_seconds=0))


def test_the_published_service_config_is_in_force() -> None:
    channel = ClientOptions(channel=ChannelOptions(connections=3)).channel_options()
    assert channel.service_config() == PUBLISHED.read_text("utf-8")
    assert channel.connections == 3


def test_reads_of_the_callers_own_take_its_place() -> None:
    own = ChannelOptions(retry_reads={"consensus.v1.ReviewService": ("GetRun",)})
    assert ClientOptions(channel=own).channel_options() == own


async def test_grpc_repeats_a_read_and_no_change() -> None:
    service = ScriptedService(errors=[ShuttingDown(), ShuttingDown()])
    async with serving(service) as address, ReviewClient(address, WITHOUT_PATIENCE) as client:
        await client.get_run(samples.RUN)
        service.errors = [ShuttingDown()]
        with pytest.raises(ShuttingDown):
            await client.cancel_run(samples.RUN)
    assert service.names() == ["GetRunRequest"] * 3 + ["CancelRunRequest"]
