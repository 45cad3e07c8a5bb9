"""The built-in panel as this service needs it, and the instructions of any persona."""

from collections.abc import Iterable, Mapping

from consensus.v1 import panel_pb2
from consensus_panels import default_panel


class BuiltInPanel:
    """The built-in personas, in their order.

    Runs over this panel hold no instructions: those of this release are sent, unless a digest names others.
    """

    __slots__ = ("_by_digest", "_by_id", "members")

    def __init__(self, members: Iterable[panel_pb2.Persona]) -> None:
        """`members` with their instructions and the digests of these."""
        self.members = tuple(members)
        self._by_id: Mapping[str, panel_pb2.Persona] = {each.persona_id: each for each in self.members}
        self._by_digest = {each.prompt_digest: each for each in self.members}

    @property
    def ids(self) -> tuple[str, ...]:
        """The personas' ids, in persona order."""
        return tuple(self._by_id)

    @property
    def personas(self) -> tuple[panel_pb2.Persona, ...]:
        """The personas as runs hold them, without instructions; new messages each time."""
        return tuple(_without_instructions(each) for each in self.members)

    def member(self, persona_id: str) -> panel_pb2.Persona:
        """The built-in persona with this id, with its instructions.

        Raises:
            KeyError: there is none.
        """
        return self._by_id[persona_id]

    def instructed(self, persona: panel_pb2.Persona) -> panel_pb2.Persona:
        """A run's persona with the instructions that it is given, and their digest.

        Raises:
            KeyError: it brings none, and is not built in.
        """
        if persona.instructions:
            return persona
        built_in = self._by_digest.get(persona.prompt_digest) or self.member(persona.persona_id)
        whole = panel_pb2.Persona()
        whole.CopyFrom(persona)
        whole.instructions, whole.prompt_digest = built_in.instructions, built_in.prompt_digest
        return whole


def load_panel() -> BuiltInPanel:
    """The panel that reviews where nobody names another."""
    return BuiltInPanel(default_panel().personas)


def _without_instructions(persona: panel_pb2.Persona) -> panel_pb2.Persona:
    message = panel_pb2.Persona()
    message.CopyFrom(persona)
    message.ClearField("instructions")
    return message
