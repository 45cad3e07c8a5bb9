"""Access keys and identities as lines."""

from collections.abc import Iterable

from consensus.v1 import access_service_pb2, identity_service_pb2
from consensus_cli.view.tables import table
from consensus_report import text


def key_lines(keys: Iterable[access_service_pb2.AccessKey]) -> list[str]:
    """A row for each key."""
    rows = [
        [
            text.clean(key.key_id),
            text.clean(key.subject),
            text.clean(", ".join(key.roles)),
            users(key.users),
            state(key),
            text.instant(key.last_use_time) if key.HasField("last_use_time") else "never",
            text.clean(key.note),
        ]
        for key in keys
    ]
    return table(("id", "subject", "roles", "acts for", "valid", "last used", "note"), rows)


def state(key: access_service_pb2.AccessKey) -> str:
    """Until when it is valid."""
    if key.HasField("revoke_time"):
        return f"revoked {text.instant(key.revoke_time)}"
    return f"until {text.instant(key.expire_time)}" if key.HasField("expire_time") else "yes"


def users(bound: access_service_pb2.UserBound) -> str:
    """For whom a credential acts."""
    if bound.user:
        return text.clean(bound.user)
    return f"{text.clean(bound.prefix)}*" if bound.prefix else "anybody"


def identity_lines(who: identity_service_pb2.WhoAmIResponse) -> list[str]:
    """Who calls, and what it may."""
    kind = text.word(identity_service_pb2.CredentialKind, who.kind, "CREDENTIAL_KIND_")
    scopes = ", ".join(map(text.clean, who.scopes)) or ("everything" if kind == "none" else "nothing")
    lines = [
        f"tenant     {text.clean(who.tenant)}",
        f"caller     {text.clean(who.caller)}",
        f"credential {kind} {text.clean(who.credential_id)}".rstrip(),
        f"may        {scopes}",
        f"acts for   {users(who.users)}",
    ]
    if who.HasField("expire_time"):
        lines.append(f"until      {text.instant(who.expire_time)}")
    return lines
