"""What a provider's refusal means: from its status and code, never from the class a library raises. Pure."""

import re
from collections.abc import Sequence

from consensus.v1 import errors_pb2
from consensus_contract.errors import Reason
from review_service.model.model_call import CallFailure, CallReport

_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_FILTER_CODES = frozenset({"content_filter", "content_policy_violation"})
_OUR_FAULT_CODES = frozenset({"invalid_prompt", "invalid_request_error", "unsupported_parameter"})
# Names of codes, states and models are the provider's text: kept only where they look like names.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}")


def plain(name: str | None) -> str:
    """A name that the provider sent, or nothing where it does not look like one."""
    return name if name and _NAME.fullmatch(name) else ""


def failure_of_status(
    report: CallReport, codes: Sequence[str], retry_after_seconds: float | None = None
) -> CallFailure:
    """The failure that an answer with another status than 2xx stands for; `codes` are its code and type."""
    status = report.http_status
    known = [code for code in codes if plain(code)]
    named = f" ({', '.join(known)})" if known else ""
    message = f"The provider answered {status}{named}."
    if 300 <= status < 400:
        message = f"The provider answered {status}, a redirect, which is not followed."
    return CallFailure(report, _reason_of_status(status, frozenset(codes)), message, retry_after_seconds)


def failure_of_code(report: CallReport, code: str | None) -> CallFailure:
    """The failure that an answer with status 200 tells of in its body."""
    message = f"The provider failed to answer ({plain(code) or 'no code given'})."
    return CallFailure(report, _reason_of_code(code), message)


def _reason_of_status(status: int, codes: frozenset[str]) -> Reason:
    if status == 429:
        is_quota = bool(codes & _QUOTA_CODES)
        return (
            errors_pb2.ERROR_REASON_LLM_QUOTA_EXHAUSTED
            if is_quota
            else errors_pb2.ERROR_REASON_LLM_RATE_LIMITED
        )
    if status in (401, 403):
        return errors_pb2.ERROR_REASON_LLM_AUTHENTICATION
    if status in (408, 409) or status >= 500 or status < 300:
        return errors_pb2.ERROR_REASON_LLM_UNAVAILABLE
    if codes & _FILTER_CODES:
        return errors_pb2.ERROR_REASON_LLM_REFUSED
    return errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED


def _reason_of_code(code: str | None) -> Reason:
    if code == "rate_limit_exceeded":
        return errors_pb2.ERROR_REASON_LLM_RATE_LIMITED
    if code in _QUOTA_CODES:
        return errors_pb2.ERROR_REASON_LLM_QUOTA_EXHAUSTED
    if code in _FILTER_CODES:
        return errors_pb2.ERROR_REASON_LLM_REFUSED
    if code in _OUR_FAULT_CODES:
        return errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED
    return errors_pb2.ERROR_REASON_LLM_UNAVAILABLE
