"""Errors of runs whose calls to the model failed, and of expansions that did."""

import grpc

from consensus_contract.errors.base import ErrorReason
from consensus_contract.errors.runs import RunFailed


class LlmRateLimited(RunFailed):
    """The model's provider kept limiting the rate."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = ErrorReason.ERROR_REASON_LLM_RATE_LIMITED
    text = "the model's provider kept limiting the rate"


class LlmTimeout(RunFailed):
    """The model did not answer within the attempt's time."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_LLM_TIMEOUT
    text = "the model did not answer in time"


class LlmUnavailable(RunFailed):
    """The model could not be reached or answered 408, 409 or 5xx."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_LLM_UNAVAILABLE
    text = "the model could not be reached or failed"


class LlmQuotaExhausted(RunFailed):
    """The provider says that the account's quota is used up."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_LLM_QUOTA_EXHAUSTED
    text = "the account's quota at the model's provider is used up"


class LlmAuthentication(RunFailed):
    """The service has no key for the model's provider, or a wrong one."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_LLM_AUTHENTICATION
    text = "the service has no key for the model's provider, or a wrong one"


class LlmRequestRejected(RunFailed):
    """The provider refused the request; `cause` tells what a setting mends."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_LLM_REQUEST_REJECTED
    text = "the model's provider refused the request"


class LlmInvalidOutput(RunFailed):
    """The model's answer is not JSON or breaks the schema."""

    code = grpc.StatusCode.INTERNAL
    reason = ErrorReason.ERROR_REASON_LLM_INVALID_OUTPUT
    text = "the model's answer breaks the schema"


class LlmTruncatedOutput(RunFailed):
    """The model's answer was cut off at the output limit."""

    code = grpc.StatusCode.INTERNAL
    reason = ErrorReason.ERROR_REASON_LLM_TRUNCATED_OUTPUT
    text = "the model's answer was cut off at the output limit"


class LlmRefused(RunFailed):
    """The model refused to answer, or its content filter did."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_LLM_REFUSED
    text = "the model refused to answer"


class LlmContextTooLong(RunFailed):
    """The prompt does not fit into the model's window."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_LLM_CONTEXT_TOO_LONG
    text = "the prompt does not fit into the model's window"


class LlmPromptCut(RunFailed):
    """The server read far fewer tokens than the prompt has."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_LLM_PROMPT_CUT
    text = "the model's server cut the prompt and said nothing"
