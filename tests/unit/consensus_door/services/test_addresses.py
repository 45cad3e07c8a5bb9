"""Every public service is served, and none that is not."""

import importlib
import pkgutil

import consensus.v1
from consensus_door.services.addresses import public_services


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
