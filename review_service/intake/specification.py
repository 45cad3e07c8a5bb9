"""A run's specification: the request where it says something, the settings where it does not."""

from typing import TypeAlias

from consensus.v1 import policy_pb2, review_service_pb2, run_pb2
from consensus_contract.spans import duration
from consensus_decision.policies import POLICY_VERSION
from consensus_decision.quorum import check_quorum
from consensus_rpc.errors import InvalidField
from consensus_rpc.process.settings_text import without_secrets
from review_service.config import ReviewSettings
from review_service.intake.panels import ChosenPanel
from review_service.intake.requests import CleanInput

_Options: TypeAlias = review_service_pb2.ReviewOptions


def run_specification(
    settings: ReviewSettings,
    panel: ChosenPanel,
    clean: CleanInput,
    review: review_service_pb2.ReviewInput,
) -> run_pb2.RunSpecification:
    """Everything that a process needs to carry the run out, whatever its own settings are.

    Raises:
        InvalidField: when the quorum does not fit the panel.
    """
    options = review.options
    wanted = options.quorum if options.HasField("quorum") else panel.quorum or options.quorum
    quorum, violations = check_quorum(wanted, panel.personas)
    if violations:
        raise InvalidField(violations=violations)
    expand_temperature, review_temperature = _temperatures(settings, options)
    specification = run_pb2.RunSpecification(
        context=clean.context,
        user=review.user,
        expand_model=options.expand_model or settings.model_for_expanding,
        review_model=options.review_model or settings.model_for_reviewing,
        expand_temperature=expand_temperature,
        review_temperature=review_temperature,
        persona_template_version=settings.persona_template_version,
        retry_policy=_overridden(retry_policy(settings), options),
        personas=panel.personas,
        quorum=quorum,
        run_timeout=duration(settings.run_timeout_seconds),
        policy_version=POLICY_VERSION,
        attachments=clean.attachments,
        document_expansion=clean.document_expansion,
        panel_id=panel.panel_id,
        panel_revision=panel.revision,
        language=panel.language,
        policy=None if panel.policy is None else _pinned(panel.policy),
    )
    _set_subject(specification, clean)
    return specification


def _pinned(policy: policy_pb2.Policy) -> policy_pb2.Policy:
    """What a run holds of its policy."""
    return policy_pb2.Policy(policy_id=policy.policy_id, revision=policy.revision, content=policy.content)


def _set_subject(specification: run_pb2.RunSpecification, clean: CleanInput) -> None:
    """What is reviewed: one of the three."""
    if clean.document is not None:
        specification.document.CopyFrom(clean.document)
    elif clean.proposal is not None:
        specification.proposal.CopyFrom(clean.proposal)
    else:
        specification.idea = clean.idea


def expansion_specification(
    settings: ReviewSettings, clean: CleanInput, request: review_service_pb2.ExpandIdeaRequest
) -> run_pb2.RunSpecification:
    """The part of a specification that expanding needs."""
    temperature = (
        request.expand_temperature
        if request.HasField("expand_temperature")
        else _of_hundredths(settings.expand_temperature)
    )
    return run_pb2.RunSpecification(
        idea=clean.idea,
        context=clean.context,
        expand_model=request.expand_model or settings.model_for_expanding,
        expand_temperature=None if request.omit_expand_temperature else temperature,
        retry_policy=retry_policy(settings),
    )


def retry_policy(settings: ReviewSettings) -> run_pb2.RetryPolicy:
    """How failed calls are tried again unless a request says otherwise."""
    return run_pb2.RetryPolicy(
        max_retries=settings.max_retries_per_persona,
        initial_backoff=duration(settings.retry_initial_backoff_seconds),
        backoff_multiplier=settings.retry_backoff_multiplier,
        attempt_timeout=duration(settings.model_attempt_timeout_seconds),
        max_output_tokens=settings.model_max_output_tokens,
    )


def model_route(settings: ReviewSettings) -> review_service_pb2.ModelRoute:
    """Where and how the model is called; never the key."""
    return review_service_pb2.ModelRoute(
        base_url=without_secrets(settings.openai_base_url or ""),
        expand_model=settings.model_for_expanding,
        review_model=settings.model_for_reviewing,
        expand_temperature=_of_hundredths(settings.expand_temperature),
        review_temperature=_of_hundredths(settings.review_temperature),
        api_key_configured=settings.openai_api_key is not None,
    )


def _temperatures(settings: ReviewSettings, options: _Options) -> tuple[float | None, float | None]:
    expand = _of_hundredths(settings.expand_temperature)
    review = _of_hundredths(settings.review_temperature)
    if options.HasField("expand_temperature"):
        expand = options.expand_temperature
    if options.HasField("review_temperature"):
        review = options.review_temperature
    return (
        None if options.omit_expand_temperature else expand,
        None if options.omit_review_temperature else review,
    )


def _of_hundredths(value: int | None) -> float | None:
    return None if value is None else value / 100


def _overridden(policy: run_pb2.RetryPolicy, options: _Options) -> run_pb2.RetryPolicy:
    if options.HasField("max_retries_per_persona"):
        policy.max_retries = options.max_retries_per_persona
    if options.HasField("retry_initial_backoff"):
        policy.initial_backoff.CopyFrom(options.retry_initial_backoff)
    if options.HasField("retry_backoff_multiplier"):
        policy.backoff_multiplier = options.retry_backoff_multiplier
    return policy
