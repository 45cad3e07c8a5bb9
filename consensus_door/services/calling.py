"""What a call to a service carries of the request that it is made for: of its headers a list, and no more."""

from collections.abc import Mapping
from dataclasses import dataclass

from consensus_rpc.channel.channels import CallOptions
from consensus_rpc.channel.deadline import hop_timeout
from consensus_rpc.errors import Unauthenticated
from consensus_rpc.telemetry.request_id import REQUEST_ID_KEY, current_request_id, new_request_id
from consensus_rpc.telemetry.tracing import trace_metadata

AUTHORIZATION = "authorization"
_MOST_CREDENTIAL_CHARACTERS = 8192


@dataclass(frozen=True, slots=True)
class Credential:
    """The caller's `Authorization`, as it came; empty where there was none. It stands in no repr."""

    text: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Credential":
        """That of a request.

        Raises:
            Unauthenticated: what no credential can be.
        """
        text = headers.get(AUTHORIZATION, "")
        if len(text) > _MOST_CREDENTIAL_CHARACTERS or not all(" " <= each <= "~" for each in text):
            raise Unauthenticated
        return cls(text)

    def __repr__(self) -> str:
        return "Credential()"


def options_for(
    credential: Credential, left: float | None = None, *, ceiling_seconds: float | None = None
) -> CallOptions:
    """What a call is made with: credential, request id, trace, and the time that is left.

    Raises:
        CallDeadlineExceeded: with less than 100 ms left.
    """
    own = current_request_id() or new_request_id()
    carried = ((REQUEST_ID_KEY, own), *trace_metadata())
    if credential.text:
        carried += ((AUTHORIZATION, credential.text),)
    return {"timeout": hop_timeout(left, ceiling_seconds=ceiling_seconds), "metadata": carried}
