"""Calls that end with an error are counted by its reason, from 0 on, and overloads by what was too much."""

import pytest
from prometheus_client import CollectorRegistry

from consensus_contract.errors import (
    ConsensusError,
    DatabaseError,
    DatabaseUnavailable,
    InternalError,
    RunNotFound,
)
from consensus_rpc.errors import Overloaded
from consensus_rpc.telemetry import metrics
from consensus_rpc.telemetry.labels import BoundedLabel
from consensus_rpc.telemetry.metrics import RpcMetrics

ERRORS, OVERLOADS = "consensus_rpc_errors_total", "consensus_overloads_total"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def counted(registry: CollectorRegistry) -> RpcMetrics:
    return RpcMetrics(registry)


def test_each_reason_is_there_before_it_happens(registry: CollectorRegistry, counted: RpcMetrics) -> None:
    labels = {"reason": "RUN_NOT_FOUND", "tenant": ""}
    assert registry.get_sample_value(ERRORS, labels) == 0
    counted.refusals.count(RunNotFound(run_id="r-1"), "acme")
    assert registry.get_sample_value(ERRORS, labels) == 1


def test_a_reason_of_another_release_is_not_told_apart(
    registry: CollectorRegistry, counted: RpcMetrics
) -> None:
    for name in ("FROM_TOMORROW", "FROM_NEXT_YEAR"):
        counted.refusals.count(RunNotFound.rebuilt("no", reason_name=name), "acme")
    assert registry.get_sample_value(ERRORS, {"reason": "other", "tenant": ""}) == 2


def test_tenants_are_named_only_as_far_as_it_was_said(
    registry: CollectorRegistry, counted: RpcMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "tenant_label", BoundedLabel(1))
    for tenant in ("acme", "globex", "initech"):
        counted.refusals.count(RunNotFound(run_id="r-1"), tenant)
    found = [
        registry.get_sample_value(ERRORS, {"reason": "RUN_NOT_FOUND", "tenant": each})
        for each in ("acme", "other", "globex")
    ]
    assert found == [1, 2, None]


@pytest.mark.parametrize("fault", [InternalError(), DatabaseError(), DatabaseUnavailable()])
def test_a_fault_is_counted_where_its_series_was_before_it(
    registry: CollectorRegistry,
    counted: RpcMetrics,
    monkeypatch: pytest.MonkeyPatch,
    fault: ConsensusError,
) -> None:
    """Whatever tenants are told apart: alerts ask for an increase, and a new series has none."""
    monkeypatch.setattr(metrics, "tenant_label", BoundedLabel(1))
    labels = {"reason": fault.reason_name, "tenant": ""}
    assert registry.get_sample_value(ERRORS, labels) == 0
    counted.refusals.count(fault, "acme")
    assert registry.get_sample_value(ERRORS, labels) == 1


def test_an_overload_names_what_was_too_much_and_nobody(
    registry: CollectorRegistry, counted: RpcMetrics
) -> None:
    for tenant in ("acme", "globex"):
        counted.refusals.count(Overloaded(subject=f"queued runs of tenant {tenant}", limit=1), tenant)
    assert registry.get_sample_value(OVERLOADS, {"subject": "queued runs of a tenant"}) == 2
