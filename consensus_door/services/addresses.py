"""Which public services there are, and at which of the two addresses each is found. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor import Descriptor, FileDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from consensus.v1 import (
    access_service_pb2,
    audit_service_pb2,
    decision_service_pb2,
    draft_service_pb2,
    event_service_pb2,
    idempotency_service_pb2,
    identity_service_pb2,
    metric_service_pb2,
    panel_service_pb2,
    policy_service_pb2,
    review_service_pb2,
    usage_service_pb2,
)


class Where(Enum):
    """An address of the settings."""

    REVIEW = "review"
    PERSISTENCE = "persistence"


_FILES: Mapping[Where, tuple[FileDescriptor, ...]] = MappingProxyType(
    {
        Where.REVIEW: (review_service_pb2.DESCRIPTOR,),
        Where.PERSISTENCE: (
            access_service_pb2.DESCRIPTOR,
            audit_service_pb2.DESCRIPTOR,
            decision_service_pb2.DESCRIPTOR,
            draft_service_pb2.DESCRIPTOR,
            event_service_pb2.DESCRIPTOR,
            idempotency_service_pb2.DESCRIPTOR,
            identity_service_pb2.DESCRIPTOR,  # both have it, and say the same
            metric_service_pb2.DESCRIPTOR,
            panel_service_pb2.DESCRIPTOR,
            policy_service_pb2.DESCRIPTOR,
            usage_service_pb2.DESCRIPTOR,
        ),
    }
)


def public_services() -> Iterator[tuple[Where, ServiceDescriptor]]:
    """Every service that callers may use, with where it is."""
    for where, files in _FILES.items():
        for file in files:
            for service in file.services_by_name.values():
                yield where, service


@dataclass(frozen=True, slots=True)
class Method:
    """Where a method is asked, by which name, and the class of its answers."""

    where: Where
    path: str
    answer: type[Any]


@cache
def method_of(request: Descriptor) -> Method:
    """The method that takes messages of this kind: each has one of its own, beside its service.

    Raises:
        LookupError: it is no request.
    """
    where = Where.REVIEW if request.file in _FILES[Where.REVIEW] else Where.PERSISTENCE
    for service in request.file.services_by_name.values():
        for method in service.methods:
            if method.input_type == request:
                return Method(
                    where, f"/{service.full_name}/{method.name}", GetMessageClass(method.output_type)
                )
    raise LookupError(f"no method takes {request.full_name}")
