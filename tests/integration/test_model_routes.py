"""Routes to models in the running pair: what is learnt in a run, what a probe says, and bad files."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from consensus.v1 import attempt_pb2, review_service_pb2, run_pb2
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from tests.support.pair import Pair
from tests.support.processes import clean_environment, run_command
from tests.support.providers import (
    Provider,
    refuses_max_tokens,
    refuses_temperature,
    speaks_chat_only,
)

StartPair = Callable[..., Pair]


async def test_a_run_completes_on_a_server_that_takes_little_of_what_is_asked(start_pair: StartPair) -> None:
    async with Provider(speaks_chat_only, refuses_temperature, refuses_max_tokens).serving() as provider:
        pair = await asyncio.to_thread(start_pair, review={"OPENAI_BASE_URL": provider.base_url})
        async with pair.client() as client:
            events = await client.stream("We send reminders to readers.")
            run = await client.get(events[0].run_id)
            page = await client.review.ListAttempts(review_service_pb2.ListAttemptsRequest(run_id=run.run_id))
            info = await client.review.GetServiceInfo(review_service_pb2.GetServiceInfoRequest())

    assert run.state == run_pb2.RUN_STATE_COMPLETED
    expand = [each for each in page.attempts if each.step == "expand"]
    assert [each.provider_param for each in expand] == ["", "temperature", "max_tokens", ""]
    assert [each.cause for each in expand] == ["path_not_found", "", "", ""]
    reviews = [each for each in page.attempts if each.step != "expand"]
    assert len(reviews) == 5  # they need not learn it again
    for each in reviews:
        assert each.state == attempt_pb2.ATTEMPT_STATE_SUCCEEDED
        assert each.protocol == "chat_completions"
        assert list(each.dropped_parameters) == ["temperature", "max_tokens"]
    (route,) = info.routes
    assert (route.protocol, list(route.dropped_parameters)) == (
        "chat_completions",
        ["temperature", "max_tokens"],
    )


async def test_routes_of_a_file_are_named_probed_and_asked(start_pair: StartPair, tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    async with Provider().serving() as provider:
        file.write_text(
            f'[routes.local]\nbase_url = "{provider.base_url}"\nmodel = "tiny"\nfallback = ["default"]\n'
            'price = { currency = "EUR", input = 1, output = 1 }\n'
        )
        pair = await asyncio.to_thread(start_pair, review={"MODEL_ROUTES": str(file)})
        async with pair.client() as client:
            probed = await client.review.ProbeModelRoutes(review_service_pb2.ProbeModelRoutesRequest())
            options = review_service_pb2.ReviewOptions(review_model="local:tiny")
            events = await client.stream("We send reminders to readers.", options=options)
            page = await client.review.ListAttempts(
                review_service_pb2.ListAttemptsRequest(run_id=events[0].run_id)
            )
            info = await client.review.GetServiceInfo(review_service_pb2.GetServiceInfoRequest())
            with pytest.raises(InvalidField), contract_errors():
                await client.review.ProbeModelRoutes(
                    review_service_pb2.ProbeModelRoutesRequest(routes=["gone"])
                )

    assert [(each.route, each.usable) for each in probed.probes] == [("default", True), ("local", True)]
    assert [each.route for each in info.routes] == ["", "local"]
    assert list(info.routes[1].fallback_routes) == ["default"]
    by_route = {each.step: (each.route, each.cost.micros) for each in page.attempts}
    assert by_route.pop("expand") == ("", 0)
    assert set(by_route.values()) == {("local", 1_050)}


def test_a_bad_file_stops_the_start_with_one_line(tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    file.write_text('[routes.local]\nkey = "sk-secret"\n')

    environment = clean_environment(MODEL_ROUTES=str(file))
    done = run_command(environment=environment, package="review_service", folder=tmp_path)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "routes.local.key" in done.stderr
    assert "sk-secret" not in done.stderr
