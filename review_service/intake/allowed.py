"""What callers may name: models, panels, and how many retries. Pure.

What the settings themselves name is always allowed, as is the built-in panel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self

from consensus.v1 import panel_pb2, run_pb2
from consensus_contract.errors import FieldViolation
from consensus_rpc.errors import InvalidField
from review_service.config import ReviewSettings

INLINE = "inline"
"""What stands for a panel that a request brings."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Patterns of names, in which `*` stands for anything; None: all are allowed."""

    models: tuple[str, ...] | None
    panels: tuple[str, ...] | None
    max_retries: int | None

    @classmethod
    def of(cls, settings: ReviewSettings) -> Self:
        """By the operator's settings."""
        own = (settings.model_for_expanding, settings.model_for_reviewing)
        models, panels = _patterns(settings.allowed_models), _patterns(settings.allowed_panels)
        most = settings.allowed_max_retries
        return cls(
            None if models is None else (*models, *own),
            panels,
            None if most is None else max(most, settings.max_retries_per_persona),
        )

    def check(
        self, specification: run_pb2.RunSpecification, built_in: Sequence[panel_pb2.Persona], field: str
    ) -> None:
        """Nothing, unless a run is to do what callers may not ask for; `field` is where its options stand.

        Raises:
            InvalidField: naming all of it.
        """
        violations = list(self._violations(specification, built_in, field))
        if violations:
            raise InvalidField(violations=violations)

    def _violations(
        self, specification: run_pb2.RunSpecification, built_in: Sequence[panel_pb2.Persona], field: str
    ) -> Iterator[FieldViolation]:
        names = {"expand_model": specification.expand_model, "review_model": specification.review_model}
        names |= {
            f"panel.personas.{persona.persona_id}.model": persona.model for persona in specification.personas
        }
        for name, model in names.items():
            if model and not _is_among(model, self.models):
                yield FieldViolation(f"{field}{name}", "is a model that this service allows (ALLOWED_MODELS)")
        retries = specification.retry_policy.max_retries
        if self.max_retries is not None and retries > self.max_retries:
            limit = f"is at most {self.max_retries} here (ALLOWED_MAX_RETRIES), not {retries}"
            yield FieldViolation(f"{field}max_retries_per_persona", limit)
        is_built_in = not specification.panel_id and list(specification.personas) == list(built_in)
        is_allowed = is_built_in or _is_among(specification.panel_id or INLINE, self.panels)
        if specification.personas and not is_allowed:
            yield FieldViolation(f"{field}panel", "is a panel that this service allows (ALLOWED_PANELS)")


def _patterns(text: str) -> tuple[str, ...] | None:
    return tuple(part.strip() for part in text.split(",") if part.strip()) or None


def _is_among(name: str, patterns: Sequence[str] | None) -> bool:
    return patterns is None or any(fnmatchcase(name, pattern) for pattern in patterns)
