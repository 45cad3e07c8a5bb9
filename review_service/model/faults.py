"""What a provider's refusal means: from its status and code, never from the class a library raises. Pure."""

import re
from dataclasses import dataclass

from consensus.v1 import errors_pb2
from consensus_contract.errors import Reason
from review_service.model.model_call import CallFailure, CallReport
from review_service.model.provider_error import ProviderError

_QUOTA_CODES = frozenset(
    {
        "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "budget_exceeded",
        "insufficient_balance", "insufficient_credits", "access_terminated",
    }
)  # fmt: skip
_RATE_CODES = frozenset({"rate_limit_exceeded", "rate_limit_error"})
_FILTER_CODES = frozenset(
    {"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation", "moderation_blocked"}
)
_POLICY_ENDINGS = ("_policy", "_policy_violation")
_OUR_FAULT_CODES = frozenset({"invalid_prompt", "invalid_request_error", "unsupported_parameter"})
_MODEL_CODES = frozenset(
    {
        "model_not_found", "model_not_available", "model_not_supported", "model_deprecated", "model_retired",
        "model_decommissioned", "unknown_model", "invalid_model", "DeploymentNotFound", "ModelNotFound",
    }
)  # fmt: skip
_CONTEXT_CODES = frozenset(
    {
        "context_length_exceeded", "context_window_exceeded", "ContextWindowExceededError",
        "exceed_context_size_error", "prompt_too_long", "input_too_long", "tokens_limit_reached",
        "max_context_length_exceeded",
    }
)  # fmt: skip
_REGION_CODES = frozenset({"unsupported_country_region_territory"})

# For servers that name no code: read only, never shown.
_SAYS_TOO_LONG = re.compile(
    r"maximum context length|max(imum)?[ _]model[ _]len|exceeds? the (available |model'?s? )?context"
    r"|context (length|window|size)\b.{0,60}\bexceed|(prompt|input) (is )?too long"
    r"|too many (input|prompt) tokens|longer than the model'?s context",
    re.IGNORECASE,
)
_SAYS_NO_MODEL = re.compile(
    r"\bmodel\b.{0,250}?(not found|does(n't| not) exist|not exist|no longer|retired|deprecated|decommissioned"
    r"|not available|not loaded)|(invalid|unknown|no such) model\b",
    re.IGNORECASE | re.DOTALL,
)
_SAYS_NO_PATH = re.compile(
    r"(unknown|unexpected|unsupported|invalid|no such) (endpoint|url|path|route|method|request url)"
    r"|(not supported|only supported) (in|with|by|on) (the )?(v1/|responses|chat)|unknown request url",
    re.IGNORECASE,
)


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
_TOO_LONG = _Meaning(
    errors_pb2.ERROR_REASON_LLM_CONTEXT_TOO_LONG,
    "the prompt does not fit into the model's window",
    "context_too_long",
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
    return _of_refusal(status, error, is_page=is_page)


def _of_refusal(status: int, error: ProviderError, *, is_page: bool) -> _Meaning:
    """What another 4xx means."""
    codes = frozenset(error.codes)
    if _is_policy(codes):
        return _REFUSED
    if status in (400, 413, 422) and _is_too_long(error):
        return _TOO_LONG
    if status in (400, 404) and _SAYS_NO_PATH.search(error.message):
        return _NO_SUCH_PATH
    if _is_no_model(status, error):
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
    if _is_too_long(error):
        return _TOO_LONG
    if codes & _MODEL_CODES:
        return _NO_SUCH_MODEL
    if not codes and _SAYS_NO_PATH.search(error.message):
        return _NO_SUCH_PATH  # one server says so with status 200
    return _REJECTED if codes & _OUR_FAULT_CODES else _UNAVAILABLE


def _is_policy(codes: frozenset[str]) -> bool:
    return any(code in _FILTER_CODES or code.endswith(_POLICY_ENDINGS) for code in codes)


def _is_too_long(error: ProviderError) -> bool:
    """Whether it is the prompt that does not fit; some say so in words alone."""
    return bool(_CONTEXT_CODES.intersection(error.codes)) or bool(_SAYS_TOO_LONG.search(error.message))


def _is_no_model(status: int, error: ProviderError) -> bool:
    """Whether it is the model that is not there; words count where the status or the parameter agrees."""
    if _MODEL_CODES.intersection(error.codes):
        return True
    return status in (400, 403, 404) and (
        error.param == "model" or bool(_SAYS_NO_MODEL.search(error.message) and status == 404)
    )
