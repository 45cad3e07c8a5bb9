"""An error of the contract in one or two lines: what, where to look it up, and what to do."""

from collections.abc import Callable

from grpc import StatusCode

from consensus_contract.errors import (
    BeyondOwnRights,
    ConsensusError,
    FieldViolation,
    IdempotencyKeyReused,
    IllegalState,
    InternalError,
    LlmAuthentication,
    PersistenceUnavailable,
    RunCancelled,
    RunFailed,
    RunNotFound,
)
from consensus_report import text
from consensus_rpc.errors import (
    CallDeadlineExceeded,
    CredentialEnded,
    CredentialExposed,
    InvalidField,
    PermissionDenied,
    ServerUnreachable,
    Unauthenticated,
    UnclassifiedError,
    UserNotAllowed,
)

_MAX_MESSAGE_CHARACTERS = 1000
Command = Callable[..., str]
"""Spells a command that the user may type: `spell("watch", run_id)`."""


def explain(error: ConsensusError, spell: Command, option: str = "--server") -> list[str]:
    """At most two lines, safe on a terminal; `option` names the service that was asked."""

    def command(*words: str) -> str:
        return f"`{spell(*words)}`"

    reason = error.reason_name or error.status_code.name
    first = f"error: {text.shorten(_message(error), _MAX_MESSAGE_CHARACTERS)} [{text.clean(reason)}]"
    ids = [
        f"{name} {text.clean(value)}"
        for name, value in (("run", error.run_id), ("request", error.request_id))
        if value
    ]
    second = "; ".join(part for part in (", ".join(ids), _advice(error, command, option)) if part)
    return [first, f"  {second}"] if second else [first]


def plain_cause(error: ConsensusError) -> str:
    """The message without what gRPC puts before a failed connection's cause."""
    return error.message.rpartition("Failed to connect to remote host: ")[2]


def _message(error: ConsensusError) -> str:
    if isinstance(error, ServerUnreachable):
        return f"cannot reach {error.metadata.get('server', 'the server')}: {plain_cause(error)}"
    if isinstance(error, InvalidField) and error.field_violations:
        parts = [f"{violation.field}: {violation.description}" for violation in error.field_violations]
        return "; ".join(parts)
    if isinstance(error, RunFailed) and error.causes:
        causes = ", ".join(f"{persona}: {cause}" for persona, cause in error.causes.items())
        return f"{error.message} ({causes})"
    return error.message


def _advice(error: ConsensusError, command: Command, option: str) -> str:
    if isinstance(error, RunFailed):
        return _advice_for_run(error, command)
    if isinstance(error, InvalidField) and any(_is_too_long_an_idea(each) for each in error.field_violations):
        return "--document sends it as one"
    if isinstance(error, ServerUnreachable) and not error.run_id:
        return f"is the service running there? {command('doctor')} checks; {option} names another"
    known = _advice_for_call(error, command) or _advice_for_access(error, command)
    if not known and error.retry_after_seconds is not None:
        return f"try again after {error.retry_after_seconds:g} s"
    return known


def _is_too_long_an_idea(violation: FieldViolation) -> bool:
    return violation.field == "review.idea" and "as a document" in violation.description


def _advice_for_access(error: ConsensusError, command: Command) -> str:
    match error:
        case CredentialExposed():
            return (
                "revoke that key, and set --tls-ca; or CREDENTIALS_OVER_LOOPBACK on this machine's services"
            )
        case CredentialEnded():
            return "ask for another key, and give it by --key-file or CONSENSUS_KEY_FILE"
        case Unauthenticated():
            return "give a key by --key-file or CONSENSUS_KEY_FILE; `consensus token whoami` tries it"
        case PermissionDenied() | UserNotAllowed() | BeyondOwnRights():
            return f"{command('token', 'whoami')} says what this key may"
        case _:
            return ""


def _advice_for_call(error: ConsensusError, command: Command) -> str:
    run_id = error.run_id
    match error:
        case ServerUnreachable() | PersistenceUnavailable() if run_id:
            return f"the run is safe, watch it once the service is back: {command('watch', run_id)}"
        case PersistenceUnavailable():
            return f"{command('doctor')} checks both services; then try again"
        case RunNotFound():
            return f"{command('runs')} lists those there are"
        case IdempotencyKeyReused():
            return "take another key, or send the very request that the key belongs to"
        case IllegalState() if run_id:
            return f"{command('show', run_id)} shows where it stands"
        case CallDeadlineExceeded() if run_id:
            return f"the run goes on: {command('watch', run_id)}"
        case UnclassifiedError() if error.status_code is StatusCode.UNIMPLEMENTED:
            return "is this the right service, and as new as this command? --help says which one it asks"
        case InternalError():
            log = "the service's log has the cause under the request id"
            is_resumable = run_id and error.metadata.get("resumable") == "true"
            return f"{log}; then go on: {command('resume', run_id)}" if is_resumable else log
    return ""


_ADVICE_BY_CAUSE = {
    "model_not_found": "name a model that the provider has for this key",
    "path_not_found": "mend OPENAI_BASE_URL, which may lack its /v1",
    "region": "call from a region that the provider serves, or name another provider",
    "bot_challenge": "find what stands before the provider's API and answers in its place",
    "redirect": "give OPENAI_BASE_URL the address that it redirects to",
    "quota": "see to the account's money or quota",
    "certificate": "make the review service trust the certificate, or mend OPENAI_BASE_URL",
    "name_not_resolved": "mend the host in OPENAI_BASE_URL, or the resolving of names",
    "connection_refused": "mend the port in OPENAI_BASE_URL, or start what should listen there",
    "proxy": "mend the proxy in the review service's environment",
    "local_shortage": "raise the review service's limit of open files",
}


def _advice_for_run(error: RunFailed, command: Command) -> str:
    if error.run_id is None:
        return "" if error.retry_after_seconds is None else f"try again after {error.retry_after_seconds:g} s"
    if isinstance(error, RunCancelled):
        return f"{command('show', error.run_id)} shows what was finished"
    if not error.resumable:
        return f"resuming cannot help; {command('attempts', error.run_id)} shows the calls"
    resume = command("resume", error.run_id)
    if error.cause in _ADVICE_BY_CAUSE:
        return f"{_ADVICE_BY_CAUSE[error.cause]}, then: {resume}"
    if isinstance(error, LlmAuthentication):
        return f"give the review service a valid OPENAI_API_KEY, then: {resume}"
    return f"go on, asking only what is missing: {resume}"
