"""Which public services there are, and at which of the two addresses each is found. Pure."""

from collections.abc import Iterator, Mapping
from enum import Enum
from types import MappingProxyType

from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor

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
