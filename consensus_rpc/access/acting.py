"""The one place that finds in a request for whom its caller acts, by the descriptors of its fields."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from consensus_contract.acting import ACTING, ACTING_IN_DATA, SCOPE_MESSAGE
from consensus_rpc.errors import UserNotAllowed
from consensus_rpc.server.identity import ASSERT, Identity

Found = Iterator[tuple[str, Any]]
Finder = Callable[[Any], Found]
"""From a message, the values of its fields of interest, each with its path."""


def check_acting(identity: Identity, request: Any) -> bool:
    """Whether the request says for whom it is as its caller may say it; False: another tenant or caller.

    Raises:
        UserNotAllowed: it names a user for whom the credential may not act.
    """
    finders = _finders(request.DESCRIPTOR)
    if not identity.users.is_anybody:
        for path, user in finders.users(request):
            if not identity.users.allows(user):
                raise UserNotAllowed(field=path)
    if identity.may(ASSERT):
        return True
    asserted = (identity.tenant, identity.caller)
    return all((scope.tenant, scope.caller) == asserted for _, scope in finders.scopes(request))


class _Finders:
    """What is looked for in the messages of one type."""

    __slots__ = ("scopes", "users")

    def __init__(self, descriptor: Descriptor) -> None:
        self.users = _finder(descriptor, _user_leaf, frozenset()) or _nothing
        self.scopes = _finder(descriptor, _scope_leaf, frozenset()) or _nothing


@cache
def _finders(descriptor: Descriptor) -> _Finders:
    return _Finders(descriptor)


def _nothing(_message: Any) -> Found:
    yield from ()


Leaf = Callable[[FieldDescriptor], Finder | None]


def _finder(descriptor: Descriptor, leaf: Leaf, within: frozenset[str]) -> Finder | None:
    """Finds what `leaf` takes, however deep; None where there is nothing, so that nothing is walked."""
    name = descriptor.full_name
    if name in within:
        return None
    parts = [
        part for field in descriptor.fields if (part := _of_field(field, leaf, within | {name})) is not None
    ]
    if not parts:
        return None

    def find(message: Any) -> Found:
        for part in parts:
            yield from part(message)

    return find


def _of_field(field: FieldDescriptor, leaf: Leaf, within: frozenset[str]) -> Finder | None:
    taken = leaf(field)
    if taken is not None:
        return taken
    if field.message_type is None or field.message_type.GetOptions().map_entry:
        return None
    inside = _finder(field.message_type, leaf, within)
    if inside is None:
        return None
    name = field.name
    if field.is_repeated:
        return lambda message: (
            (f"{name}[{index}].{path}", value)
            for index, each in enumerate(getattr(message, name))
            for path, value in inside(each)
        )
    return lambda message: (
        (f"{name}.{path}", value)
        for path, value in (inside(getattr(message, name)) if message.HasField(name) else ())
    )


def _user_leaf(field: FieldDescriptor) -> Finder | None:
    name = field.name
    if field.full_name in ACTING:
        return lambda message: iter([(name, getattr(message, name))])
    key = ACTING_IN_DATA.get(field.full_name)
    if key is None:
        return None
    return lambda message: iter([(f"{name}.{key}", _text_in(getattr(message, name), key))])


def _text_in(data: Any, key: str) -> str:
    """A text in JSON, empty where there is none."""
    return str(data.fields[key].string_value) if key in data.fields else ""


def _scope_leaf(field: FieldDescriptor) -> Finder | None:
    name = field.name
    if field.message_type is None or field.message_type.full_name != SCOPE_MESSAGE:
        return None
    return lambda message: iter([(name, getattr(message, name))] if message.HasField(name) else ())
