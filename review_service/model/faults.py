"""What a provider's refusal means: from its status and code, never from the class a library raises. Pure."""

from dataclasses import dataclass

from consensus.v1 import errors_pb2
from consensus_contract.errors import Reason
from review_service.model.model_call import CallFailure, CallReport
from review_service.model.provider_error import ProviderError

_QUOTA_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "budget_exceeded"}
)
_RATE_CODES = frozenset({"rate_limit_exceeded", "rate_limit_error"})
_FILTER_CODES = frozenset({"content_filter", "content_policy_violation"})
_POLICY_ENDINGS = ("_policy", "_policy_violation")
_OUR_FAULT_CODES = frozenset({"invalid_prompt", "invalid_request_error", "unsupported_parameter"})
_MODEL_CODES = frozenset({"model_not_found", "model_not_available", "DeploymentNotFound"})
_REGION_CODES = frozenset({"unsupported_country_region_territory"})


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a status or a code comes to; `hint` ends the message and says what to look at."""

    reason: Reason
    hint: str = ""
    cause: str = ""
    is_setting: bool = False


_QUOTA = _Meaning(
    errors_pb2.ERROR_REASON_LLM_QUOTA_EXHAUSTED,
    "the account's money or quota is used up",
    "quota",
    is_setting=True,
)
_RATE_LIMITED = _Meaning(errors_pb2.ERROR_REASON_LLM_RATE_LIMITED)
_REFUSED = _Meaning(errors_pb2.ERROR_REASON_LLM_REFUSED)
_UNAVAILABLE = _Meaning(errors_pb2.ERROR_REASON_LLM_UNAVAILABLE)
_REJECTED = _Meaning(errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED)
_BAD_KEY = _Meaning(errors_pb2.ERROR_REASON_LLM_AUTHENTICATION, is_setting=True)
_NO_SUCH_MODEL = _Meaning(
    errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED,
    "it has no such model, or not for this key",
    "model_not_found",
    is_setting=True,
)
_NO_SUCH_PATH = _Meaning(
    errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED,
    "there is nothing at this path; OPENAI_BASE_URL may lack its /v1, or name another API",
    "path_not_found",
    is_setting=True,
)
_REGION = _Meaning(
    errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED,
    "it does not serve the region that the call came from; the key is not at fault",
    "region",
    is_setting=True,
)
_CHALLENGE = _Meaning(
    errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED,
    "a page for browsers came, not the API's answer: something before the API held the call up;"
    " the key is not at fault",
    "bot_challenge",
    is_setting=True,
)
_REDIRECT = _Meaning(
    errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED,
    "a redirect, which is not followed",
    "redirect",
    is_setting=True,
)


def failure_of_status(report: CallReport, error: ProviderError, *, is_page: bool = False) -> CallFailure:
    """The failure that an answer with another status than 2xx stands for; `is_page`: it came as HTML."""
    meaning = _of_status(report.http_status, error, is_page=is_page)
    return _failure(report, f"The provider answered {report.http_status}", error, meaning)


def failure_of_error(report: CallReport, error: ProviderError) -> CallFailure:
    """The failure that an answer with status 200 tells of in its body."""
    return _failure(report, "The provider failed to answer", error, _of_codes(error), unnamed="no code given")


def _failure(
    report: CallReport, what: str, error: ProviderError, meaning: _Meaning, unnamed: str = ""
) -> CallFailure:
    names = ", ".join([*error.codes, *([f"parameter {error.param}"] if error.param else [])]) or unnamed
    what += f" ({names})" if names else ""
    return CallFailure(
        report,
        meaning.reason,
        f"{what}: {meaning.hint}." if meaning.hint else f"{what}.",
        provider=error,
        cause=meaning.cause,
        is_setting=meaning.is_setting,
    )


def _of_status(status: int, error: ProviderError, *, is_page: bool = False) -> _Meaning:
    codes = frozenset(error.codes)
    if status == 402 or (400 <= status < 500 and codes & _QUOTA_CODES):
        return _QUOTA
    if status == 429:
        return _RATE_LIMITED
    if 300 <= status < 400:
        return _REDIRECT
    if status in (408, 409) or status >= 500 or status < 300:
        return _UNAVAILABLE
    return _of_refusal(status, codes, is_page=is_page)


def _of_refusal(status: int, codes: frozenset[str], *, is_page: bool) -> _Meaning:
    """What another 4xx means."""
    if _is_policy(codes):
        return _REFUSED
    if codes & _MODEL_CODES:
        return _NO_SUCH_MODEL
    if codes & _REGION_CODES:
        return _REGION
    if status in (404, 405):
        return _NO_SUCH_PATH
    if status == 403 and is_page:
        return _CHALLENGE
    return _BAD_KEY if status in (401, 403) else _REJECTED


def _of_codes(error: ProviderError) -> _Meaning:
    """What an error without a status of its own means; some codes are statuses."""
    codes = frozenset(error.codes)
    if codes & _QUOTA_CODES:
        return _QUOTA
    if codes & _RATE_CODES:
        return _RATE_LIMITED
    if error.code.isdecimal() and 400 <= int(error.code) < 600:
        return _of_status(int(error.code), error)
    if _is_policy(codes):
        return _REFUSED
    if codes & _MODEL_CODES:
        return _NO_SUCH_MODEL
    return _REJECTED if codes & _OUR_FAULT_CODES else _UNAVAILABLE


def _is_policy(codes: frozenset[str]) -> bool:
    return any(code in _FILTER_CODES or code.endswith(_POLICY_ENDINGS) for code in codes)
