"""What a run is to do, between the wire and its row. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import orjson

from consensus.v1 import panel_pb2, policy_pb2, run_pb2
from consensus_contract.sizes import INPUT_BYTES
from consensus_decision.policies import UnknownPolicyError, pinned_policy
from consensus_decision.policy_content import policy_digest
from consensus_journal import canonical_json, digest, reference_json
from consensus_panels import MAX_PANEL_BYTES
from consensus_rpc.errors import InvalidField
from persistence_service.runs.form.context import context_message, context_text
from persistence_service.runs.form.materials import describe, material_columns
from persistence_service.runs.form.panel import RunPanel, panel_of
from persistence_service.runs.form.revisions import revision_columns
from persistence_service.runs.form.scores import score_columns, stored_score
from persistence_service.runs.form.suspicions import KEY, suspicion_columns, suspicion_messages
from persistence_service.schema.scalars import (
    MICROSECOND,
    from_duration,
    hundredths,
    storable,
    storable_json,
    to_duration,
)

FIELD = "specification"
_PANEL_FIELDS = ("panel_id", "panel_revision", "language")
_POLICY_FIELDS = ("policy_id", "revision", "content")
_OWN_FIELDS = ("instructions", "model", "optional", "shows_idea")
"""Those that few personas have."""
_PERSONA_FIELDS = ("persona_id", "display_name", "focus", "holds_veto", "prompt_digest")


@dataclass(frozen=True, slots=True)
class SpecificationRow:
    """A specification as its tables hold it; `user` stands in the run's own row."""

    user: str
    idea: str
    context: str | None
    draft_id: str | None
    settings: dict[str, Any]
    """What runs seldom differ in."""
    settings_digest: bytes
    """SHA-256 of the canonical form of the settings."""
    run_timeout_microseconds: int
    panel: RunPanel
    digest: bytes
    """SHA-256 of the canonical form of all of it."""
    parent_run_id: str | None = None
    revision: dict[str, Any] | None = None
    """What a revision works on; both are absent unless the run is one."""
    material: dict[str, Any] | None = None
    """What is worked on beside an idea."""


def specification_row(specification: run_pb2.RunSpecification, run_timeout: timedelta) -> SpecificationRow:
    """The row of a specification; `run_timeout` holds where it names none.

    Raises:
        InvalidField: for what the tables cannot hold exactly, for what is larger than a run's input may be,
            and for a timeout of nothing.
    """
    most = INPUT_BYTES + MAX_PANEL_BYTES
    if specification.ByteSize() > most:
        raise InvalidField(field=FIELD, description=f"is at most {most} bytes")
    _check_panel(specification.personas)
    _check_policy(specification)
    timeout = (
        from_duration(specification.run_timeout, f"{FIELD}.run_timeout") or run_timeout // MICROSECOND * 1000
    )
    if timeout < 1000:
        raise InvalidField(field=f"{FIELD}.run_timeout", description="is longer than 0 s")
    context = (
        context_text(specification.context, f"{FIELD}.context") if specification.HasField("context") else None
    )
    settings = _settings(specification)
    idea = storable(specification.idea, f"{FIELD}.idea")
    parent_run_id = specification.revision.parent_run_id or None
    revision = revision_columns(specification.revision) if parent_run_id is not None else None
    draft_id = specification.draft_id or None
    user = storable(specification.user, f"{FIELD}.user")
    material = material_columns(specification)
    canonical = canonical_specification(
        {"user": user, "idea": idea, "context": context},
        settings,
        draft_id,
        parent_run_id,
        revision,
        material,
    )
    storable_json([settings, revision, material], canonical, FIELD)
    return SpecificationRow(
        user=user,
        idea=idea,
        context=context,
        draft_id=draft_id,
        settings=settings,
        settings_digest=_canonical_settings(orjson.dumps(settings)).digest,
        run_timeout_microseconds=timeout // 1000,
        panel=panel_of(specification),
        digest=digest(canonical),
        parent_run_id=parent_run_id,
        revision=revision,
        material=material,
    )


def canonical_specification(
    texts: Mapping[str, str | None],
    settings: dict[str, Any],
    draft_id: str | None,
    parent_run_id: str | None,
    revision: Mapping[str, Any] | None,
    material: Mapping[str, Any] | None = None,
) -> bytes:
    """What the digest in the journal is made of: no more than what the rows hold.

    `texts` are user, idea and context. The draft counts as one of the settings.
    """
    own = settings if draft_id is None else settings | {"draft_id": draft_id}
    whole: dict[str, Any] = {
        **texts,
        "settings": orjson.Fragment(_canonical_settings(orjson.dumps(own)).form),
    }
    if revision is not None:
        whole["revision"] = {"parent_run_id": parent_run_id, **revision}
    if material is not None:
        whole["material"] = dict(material)
    return canonical_json(whole)


def specification_message(row: Mapping[Any, Any]) -> run_pb2.RunSpecification:
    """The specification that was stored: the run's user, its specification's columns, and the settings; of
    what is worked on beside an idea all but the texts.
    """
    settings, context = row["settings"], row["context"]
    message = run_pb2.RunSpecification(
        idea=row["idea"],
        user=row["user_id"],
        expand_model=settings["expand_model"],
        review_model=settings["review_model"],
        persona_template_version=settings["persona_template_version"],
        policy_version=settings["policy_version"],
        personas=[_persona_message(persona) for persona in settings["personas"]],
        draft_id=row["draft_id"] or "",
        suspicions=suspicion_messages(settings.get(KEY)),
        **{name: settings[name] for name in _PANEL_FIELDS if name in settings},
    )
    if (timeout := settings.get("run_timeout_ns")) is not None:
        message.run_timeout.CopyFrom(to_duration(timeout))
    if context is not None:
        message.context.CopyFrom(context_message(context))
    if (temperature := settings.get("expand_temperature")) is not None:
        message.expand_temperature = temperature / 100
    if (temperature := settings.get("review_temperature")) is not None:
        message.review_temperature = temperature / 100
    if (retry := settings.get("retry_policy")) is not None:
        message.retry_policy.CopyFrom(_retry_message(retry))
    if (quorum := settings.get("quorum")) is not None:
        message.quorum.CopyFrom(run_pb2.Quorum(**quorum))
    if (policy := settings.get("policy")) is not None:
        message.policy.CopyFrom(policy_pb2.Policy(**policy))
    if row["about"] is not None:
        describe(message, row["about"])
    return message


def _settings(specification: run_pb2.RunSpecification) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "expand_model": specification.expand_model,
        "review_model": specification.review_model,
        "persona_template_version": specification.persona_template_version,
        "policy_version": specification.policy_version,
        "personas": [_persona_settings(persona) for persona in specification.personas],
    }
    # What is empty is not stored, so that runs of the built-in panel share what they shared before.
    settings |= {name: said for name in _PANEL_FIELDS if (said := getattr(specification, name))}
    settings |= suspicion_columns(specification.suspicions, FIELD)
    if specification.HasField("policy"):
        settings["policy"] = {name: getattr(specification.policy, name) for name in _POLICY_FIELDS}
    for name in ("expand_temperature", "review_temperature"):
        if specification.HasField(name):
            settings[name] = hundredths(getattr(specification, name), f"{FIELD}.{name}")
    if specification.HasField("run_timeout"):
        settings["run_timeout_ns"] = from_duration(specification.run_timeout, f"{FIELD}.run_timeout")
    if specification.HasField("retry_policy"):
        settings["retry_policy"] = _retry_settings(specification.retry_policy)
    if specification.HasField("quorum"):
        quorum = specification.quorum
        settings["quorum"] = {
            "min_personas": quorum.min_personas,
            "required_personas": list(quorum.required_personas),
        }
    return settings


@dataclass(frozen=True, slots=True)
class _Canonical:
    form: bytes
    digest: bytes


@lru_cache(maxsize=256)
def _canonical_settings(settings: bytes) -> _Canonical:
    """The RFC 8785 form of settings, which hold fractions, given as any JSON; runs seldom differ in them."""
    form = reference_json(orjson.loads(settings))
    return _Canonical(form, digest(form))


def _persona_settings(persona: panel_pb2.Persona) -> dict[str, Any]:
    settings: dict[str, Any] = {
        **{name: getattr(persona, name) for name in _PERSONA_FIELDS},
        **{name: said for name in _OWN_FIELDS if (said := getattr(persona, name))},
        **score_columns(persona, ("weight",), f"{FIELD}.personas"),
    }
    if persona.HasField("temperature"):
        settings["temperature"] = hundredths(persona.temperature, f"{FIELD}.personas.temperature")
    if persona.HasField("time_limit"):
        settings["time_limit_ns"] = from_duration(persona.time_limit, f"{FIELD}.personas.time_limit")
    return settings


def _persona_message(settings: dict[str, Any]) -> panel_pb2.Persona:
    said = {name: settings[name] for name in _PERSONA_FIELDS}
    own = {name: settings[name] for name in _OWN_FIELDS if name in settings}
    persona = panel_pb2.Persona(**said, **own, weight=stored_score(settings, "weight"))
    if (temperature := settings.get("temperature")) is not None:
        persona.temperature = temperature / 100
    if (limit := settings.get("time_limit_ns")) is not None:
        persona.time_limit.CopyFrom(to_duration(limit))
    return persona


def _check_panel(personas: Sequence[panel_pb2.Persona]) -> None:
    ids = [persona.persona_id for persona in personas]
    if len(set(ids)) < len(ids):
        raise InvalidField(field=f"{FIELD}.personas", description="have ids that differ")
    if any(persona.optional and persona.holds_veto for persona in personas):
        raise InvalidField(field=f"{FIELD}.personas", description="who hold a veto are not optional")


def _check_policy(specification: run_pb2.RunSpecification) -> None:
    """What a run pins is what its revision says, and can be read by whoever decides."""
    if not specification.HasField("policy"):
        return
    try:
        found = pinned_policy(specification.policy.content)
    except UnknownPolicyError as error:
        raise InvalidField(field=f"{FIELD}.policy.content", description=f"is a policy: {error}") from error
    if specification.policy.revision != policy_digest(found):
        raise InvalidField(field=f"{FIELD}.policy.revision", description="is the digest of its content")


def _retry_settings(policy: run_pb2.RetryPolicy) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "max_retries": policy.max_retries,
        "backoff_multiplier": policy.backoff_multiplier,
        "max_output_tokens": policy.max_output_tokens,
    }
    for name in ("initial_backoff", "attempt_timeout"):
        if policy.HasField(name):
            settings[f"{name}_ns"] = from_duration(getattr(policy, name), f"{FIELD}.retry_policy.{name}")
    return settings


def _retry_message(settings: dict[str, Any]) -> run_pb2.RetryPolicy:
    policy = run_pb2.RetryPolicy(
        max_retries=settings["max_retries"],
        backoff_multiplier=settings["backoff_multiplier"],
        max_output_tokens=settings["max_output_tokens"],
    )
    for name in ("initial_backoff", "attempt_timeout"):
        if (nanoseconds := settings.get(f"{name}_ns")) is not None:
            getattr(policy, name).CopyFrom(to_duration(nanoseconds))
    return policy
