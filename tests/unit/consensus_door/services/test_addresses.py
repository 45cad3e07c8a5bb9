"""Every public service is served, and none that is not."""

import importlib
import pkgutil

import pytest

import consensus.v1
from consensus.v1 import run_pb2
from consensus_door.services.addresses import method_of, public_services


def test_every_service_of_the_public_contract_is_served_once() -> None:
    there = {
        service.full_name
        for each in pkgutil.iter_modules(consensus.v1.__path__)
        if each.name.endswith("_service_pb2")
        for service in importlib.import_module(
            f"consensus.v1.{each.name}"
        ).DESCRIPTOR.services_by_name.values()
    }
    served = [service.full_name for _, service in public_services()]
    assert len(served) == len(set(served))
    assert set(served) == there


def test_each_method_is_told_by_its_request() -> None:
    for where, service in public_services():
        for method in service.methods:
            found = method_of(method.input_type)
            assert found.where is where
            assert found.path == f"/{service.full_name}/{method.name}"
            assert found.answer.DESCRIPTOR is method.output_type


def test_what_is_no_request_is_asked_nowhere() -> None:
    with pytest.raises(LookupError, match=r"no method takes consensus\.v1\.Run$"):
        method_of(run_pb2.Run.DESCRIPTOR)
