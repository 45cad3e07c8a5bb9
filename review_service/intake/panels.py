"""Which panel a request asks for, and what of it a run holds. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.v1 import panel_pb2, panel_service_pb2, policy_pb2, review_service_pb2, run_pb2
from consensus_decision.policies import UnknownPolicyError, pinned_policy
from consensus_panels import DEFAULT_PANEL_ID, PanelRefusedError, normalised
from consensus_rpc.errors import InvalidField


@dataclass(frozen=True, slots=True)
class ChosenPanel:
    """Who reviews a run, and by which policy: for the built-in panel `panel_id` and `revision` are empty.

    `quorum` holds where the request says nothing.
    """

    personas: Sequence[panel_pb2.Persona]
    quorum: run_pb2.Quorum | None = None
    panel_id: str = ""
    revision: str = ""
    language: str = ""
    policy_name: str = ""
    """The policy that it names."""
    policy: policy_pb2.Policy | None = None
    """The policy that was found; None for the built-in one."""

    @property
    def ids(self) -> list[str]:
        """The personas' ids, in persona order."""
        return [persona.persona_id for persona in self.personas]


def named_panel(options: review_service_pb2.ReviewOptions) -> tuple[str, str] | None:
    """Id and revision of the stored panel that a request names; None: it names none, or the built-in one."""
    if options.WhichOneof("panel_choice") != "panel":
        return None
    panel_id, _, revision = options.panel.partition("@")
    return None if panel_id in ("", DEFAULT_PANEL_ID) and not revision else (panel_id, revision)


def stored_panel(panel: panel_service_pb2.Panel) -> ChosenPanel:
    """A panel that PanelService keeps."""
    return ChosenPanel(
        panel.personas,
        panel.quorum if panel.HasField("quorum") else None,
        panel.panel_id,
        panel.revision,
        panel.language,
        panel.policy,
    )


def inline_panel(panel: panel_service_pb2.Panel, field: str) -> ChosenPanel:
    """A panel that a request brings itself.

    Raises:
        InvalidField: lint finds errors, each a violation of the field.
    """
    try:
        whole = normalised(panel)
    except PanelRefusedError as refused:
        raise InvalidField(violations=refused.violations(field)) from refused
    whole.ClearField("panel_id")
    return stored_panel(whole)


def panel_of_run(specification: run_pb2.RunSpecification) -> ChosenPanel:
    """The panel that a run pinned, as it stands in the run."""
    return ChosenPanel(
        specification.personas,
        None,
        specification.panel_id,
        specification.panel_revision,
        specification.language,
    )


def check_policy_of(policy: policy_pb2.Policy | None, panel: ChosenPanel, field: str) -> None:
    """Refuses a policy by which the panel could never decide, or never approve, before anybody is asked.

    Raises:
        InvalidField: it asks for more personas than there are, for one that is not there, or leaves none any
            weight; or it is of another release.
    """
    if policy is None:
        return
    try:
        read = pinned_policy(policy.content)
    except UnknownPolicyError as error:
        raise InvalidField(field=field, description=f"is one that this release can read: {error}") from error
    if strangers := sorted(read.named_personas - set(panel.ids)):
        raise InvalidField(
            field=field, description=f"needs {', '.join(strangers)}, and the panel has none such"
        )
    if read.quorum.min_personas > len(panel.ids):
        description = f"asks for {read.quorum.min_personas} personas; the panel has {len(panel.ids)}"
        raise InvalidField(field=field, description=description)
    if not any(read.weights.get(each.persona_id, each.weight) for each in panel.personas):
        raise InvalidField(field=field, description="leaves nobody of the panel any weight")
