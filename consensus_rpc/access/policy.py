"""The policy of access: which scopes a method asks for, which a role has, whom certificates name."""

import importlib
import pkgutil
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool

from consensus_rpc.server.guard import PolicyError
from consensus_rpc.server.probes import PROBE_SERVICES

ANYONE = "anyone"
"""In place of scopes: no credential is asked for."""
KNOWN = "known"
"""In place of scopes: any valid credential will do."""
_BUILT_IN = "access_policy.toml"
_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CertificateRights:
    """For whom a certificate calls, and what it may."""

    tenant: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """A policy that was read and holds together; methods are `package.Service/Method`."""

    methods: Mapping[str, frozenset[str]]
    roles: Mapping[str, frozenset[str]]
    certificates: Mapping[str, CertificateRights]

    def scopes_of(self, roles: Iterable[str]) -> frozenset[str]:
        """What these roles may together; a role that the policy does not know may nothing."""
        return frozenset[str]().union(*(self.roles.get(role, frozenset()) for role in roles))

    def check_methods(self, registered: Collection[str]) -> None:
        """Holds the policy against what a server answers; rows of services that others serve are left alone.

        Raises:
            PolicyError: a method has no row, or a row no method.
        """
        services = {name.partition("/")[0] for name in registered}
        without_row = sorted(set(registered) - set(self.methods))
        if without_row:
            raise PolicyError(f"the access policy has no row for {', '.join(without_row)}")
        without_method = [
            row
            for row in sorted(self.methods)
            if row not in registered and (row.partition("/")[0] in services or not _is_in_contract(row))
        ]
        if without_method:
            raise PolicyError(f"the access policy has rows without a method: {', '.join(without_method)}")


def built_in_policy() -> AccessPolicy:
    """The one that stands beside the contract's words."""
    return parse_policy(resources.files("consensus_contract").joinpath(_BUILT_IN).read_text("utf-8"))


def load_policy(path: Path | None) -> AccessPolicy:
    """The policy of a file, or the built-in one.

    Raises:
        PolicyError: the file cannot be read, or does not hold together.
    """
    if path is None:
        return built_in_policy()
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise PolicyError(f"{path}: more than {_MAX_BYTES} bytes")
        return parse_policy(raw.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: cannot be read ({type(error).__name__})") from error


def parse_policy(text: str) -> AccessPolicy:
    """Reads a policy.

    Raises:
        PolicyError: it is no TOML, or names what it does not define.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"the access policy is no TOML: {error}") from error
    unknown = sorted(set(document) - {"scopes", "roles", "identities", "methods"})
    if unknown:
        raise PolicyError(f"the access policy has parts that nobody reads: {', '.join(unknown)}")
    scopes = frozenset(_table(document, "scopes"))
    roles = {
        name: _words(f"roles.{name}", given, scopes) for name, given in _table(document, "roles").items()
    }
    methods = {
        f"{service}/{name}": _words(f"{service}/{name}", given, scopes | {ANYONE, KNOWN})
        for service, rows in _table(document, "methods").items()
        for name, given in _as_table(f"methods.{service}", rows).items()
    }
    certificates = {
        name: _certificate(name, _as_table(f"identities.{name}", given), roles)
        for name, given in _table(document, "identities").items()
    }
    return AccessPolicy(methods, roles, certificates)


def _certificate(
    name: str, given: Mapping[str, Any], roles: Mapping[str, frozenset[str]]
) -> CertificateRights:
    tenant = given.get("tenant", "default")
    if not isinstance(tenant, str) or set(given) - {"tenant", "roles"}:
        raise PolicyError(f"identities.{name}: has `tenant` (a text) and `roles`, nothing else")
    named = _words(f"identities.{name}.roles", given.get("roles", []), frozenset(roles))
    return CertificateRights(tenant, frozenset[str]().union(*(roles[role] for role in named)))


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _as_table(name, document.get(name, {}))


def _as_table(name: str, given: Any) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise PolicyError(f"{name}: is no table")
    return given


def _words(where: str, given: Any, known: frozenset[str]) -> frozenset[str]:
    if not isinstance(given, list) or not given or not all(isinstance(each, str) for each in given):
        raise PolicyError(f"{where}: is no list of names, or an empty one")
    unknown = sorted(set(given) - known)
    if unknown:
        raise PolicyError(f"{where}: names {', '.join(unknown)}, which the policy does not define")
    return frozenset(given)


def _is_in_contract(method: str) -> bool:
    """Whether any service of the contract, served here or not, has the method."""
    service, _, name = method.partition("/")
    if service in PROBE_SERVICES:  # a server need not describe itself
        return True
    _load_contract()
    try:
        found = descriptor_pool.Default().FindServiceByName(service)
    except KeyError:
        return False
    return name in found.methods_by_name


@cache
def _load_contract() -> None:
    """Makes all of the contract's services known: a server has loaded no more than it serves."""
    for package in ("consensus.v1", "consensus.internal.v1"):
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            if module.name.endswith("_pb2"):
                importlib.import_module(f"{package}.{module.name}")
