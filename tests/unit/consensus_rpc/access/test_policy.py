"""Policies of access: what they must say, and that they fit what servers answer."""

import importlib
import pkgutil

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor

import consensus.v1
from consensus_contract import acting
from consensus_rpc.access.policy import built_in_policy, parse_policy
from consensus_rpc.server.guard import PolicyError

GET_RUN = "consensus.v1.ReviewService/GetRun"
HEAD = '[scopes]\nread = "x"\n[roles]\nviewer = ["read"]\n'


def policy_with(row: str) -> str:
    return f'{HEAD}[methods."consensus.v1.ReviewService"]\n{row}\n'


def test_a_method_without_a_row_stops_the_start() -> None:
    policy = parse_policy(policy_with('GetRun = ["read"]'))
    policy.check_methods({GET_RUN})
    with pytest.raises(PolicyError, match=r"no row for consensus\.v1\.ReviewService/ListRuns"):
        policy.check_methods({GET_RUN, "consensus.v1.ReviewService/ListRuns"})


@pytest.mark.parametrize(
    "method", ["consensus.v1.ReviewService/GetRuns", "consensus.v1.ReviewServise/GetRun"]
)
def test_a_row_without_a_method_stops_the_start(method: str) -> None:
    service, name = method.split("/")
    text = policy_with('GetRun = ["read"]')
    if service.endswith("Service"):
        text = policy_with(f'GetRun = ["read"]\n{name} = ["read"]')
    else:
        text += f'[methods."{service}"]\n{name} = ["read"]\n'
    with pytest.raises(PolicyError, match="without a method"):
        parse_policy(text).check_methods({GET_RUN})


def test_rows_of_the_other_service_are_left_alone() -> None:
    built_in = built_in_policy()
    built_in.check_methods([each for each in built_in.methods if "ReviewService" in each])


@pytest.mark.parametrize(
    "text",
    [
        "not toml [",
        policy_with('GetRun = ["reed"]'),
        policy_with("GetRun = []"),
        policy_with('GetRun = "read"'),
        HEAD + '[identities."spiffe://x"]\nroles = ["nobody"]\n',
        HEAD + '[identities."spiffe://x"]\nroles = ["viewer"]\nassert = true\n',
        "methods = 7",
        "[rolls]\n",
    ],
)
def test_what_does_not_hold_together_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_policy(text)


NAMES = {
    "user", "author", "creator", "owner", "collaborator", "holder", "recipient", "actor", "caller", "invitee",
    "reviewer", "subject",
}  # fmt: skip


def requests() -> list[Descriptor]:
    found: list[Descriptor] = []
    for module in pkgutil.iter_modules(consensus.v1.__path__):
        if module.name.endswith("_pb2"):
            file = importlib.import_module(f"consensus.v1.{module.name}").DESCRIPTOR
            services: list[ServiceDescriptor] = list(file.services_by_name.values())
            found += [method.input_type for service in services for method in service.methods]
    return found


def fields(message: Descriptor, within: frozenset[str]) -> list[FieldDescriptor]:
    found = []
    for field in message.fields:
        found.append(field)
        inner = field.message_type
        if inner is not None and inner.full_name not in within:
            found += fields(inner, within | {inner.full_name})
    return found


def test_each_field_of_requests_that_names_somebody_is_acting_or_about() -> None:
    """A new field of such a name has to be put into one of the lists."""
    known = acting.ACTING | acting.ABOUT | acting.SET_BY_SERVICE
    found = {
        field.full_name
        for request in requests()
        for field in fields(request, frozenset({request.full_name}))
        if field.type == FieldDescriptor.TYPE_STRING and field.name in NAMES
    }
    assert found == {name for name in known if not name.endswith("UserBound.prefix")}
