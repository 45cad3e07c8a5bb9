"""What `consensus doctor --model` shows."""

from datetime import date

import pytest

from consensus.v1 import attempt_pb2, errors_pb2, review_service_pb2
from consensus_cli.view.routes import announced_ends, probe_lines
from consensus_contract.spans import duration


def test_a_row_for_each_route_and_why_one_is_of_no_use() -> None:
    well = review_service_pb2.ModelRouteProbe(
        route="default",
        requested_model="gpt-5.1",
        answered_model="gpt-5.1-2025-11-13",
        reachable=True,
        usable=True,
        protocol="responses",
        schema_enforced=True,
        temperature_taken=False,
        dropped_parameters=["temperature"],
        latency=duration(1.25),
        cost=attempt_pb2.Cost(currency="USD", micros=1_234),
    )
    down = review_service_pb2.ModelRouteProbe(
        route="local",
        requested_model="tiny",
        reason=errors_pb2.ERROR_REASON_LLM_UNAVAILABLE,
        message="It refused\nthe connection.",
    )

    lines = list(probe_lines([well, down]))

    assert lines[1].split() == [
        "ok", "default", "gpt-5.1-2025-11-13", "yes", "responses", "yes", "not", "taken", "1.2", "s",
        "0.001234", "USD",
    ]  # fmt: skip
    assert lines[2].split() == ["FAILED", "local", "tiny", "no"]
    assert lines[3:] == ["default: does not take temperature", "local: It refused the connection."]


@pytest.mark.parametrize(("today", "has_time"), [(date(2027, 3, 31), True), (date(2027, 4, 1), False)])
def test_the_end_of_a_model_is_told_before_and_after_it(today: date, has_time: bool) -> None:
    ((still, said),) = announced_ends(["gpt-5.1", "gpt-5.1", "another"], today)

    assert still == has_time
    assert "gpt-5.1" in said
    assert "2027-04-01" in said
