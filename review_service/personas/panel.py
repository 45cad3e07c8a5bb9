"""The panel: one file per persona, with its prompt, read as data.

A file is `+++`, a TOML header, `+++`, and the instructions. The digest is taken over the instructions as
they are sent; a file whose wording changes has another digest.
"""

import hashlib
import importlib.resources
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources.abc import Traversable
from typing import Any

from consensus.v1 import panel_pb2

_WEIGHT_TOLERANCE = Decimal("0.0001")
_HEADER_KEYS = {"id", "display_name", "order", "weight", "focus", "holds_veto"}


class PanelError(ValueError):
    """The persona files do not make a panel."""


@dataclass(frozen=True, slots=True)
class PanelPersona:
    """One persona, whole. `weight` is exact, at most four decimals; `prompt_digest` is SHA-256 in hex."""

    persona_id: str
    display_name: str
    order: int
    weight: Decimal
    focus: str
    holds_veto: bool
    instructions: str
    prompt_digest: str

    def message(self) -> panel_pb2.Persona:
        """The persona as the contract knows it."""
        return panel_pb2.Persona(
            persona_id=self.persona_id,
            display_name=self.display_name,
            weight=float(self.weight),
            focus=self.focus,
            holds_veto=self.holds_veto,
            prompt_digest=self.prompt_digest,
        )


class Panel:
    """The personas in their order, checked against one another.

    Raises:
        PanelError: ids or orders repeat, weights do not sum to 1 within 0.0001, or nobody holds the veto.
    """

    __slots__ = ("_by_id", "members")

    def __init__(self, members: Iterable[PanelPersona]) -> None:
        self.members = tuple(sorted(members, key=lambda member: member.order))
        self._by_id: Mapping[str, PanelPersona] = {member.persona_id: member for member in self.members}
        self._check()

    @property
    def ids(self) -> tuple[str, ...]:
        """The personas' ids, in persona order."""
        return tuple(self._by_id)

    @property
    def personas(self) -> tuple[panel_pb2.Persona, ...]:
        """The personas as the contract knows them, in persona order; new messages each time."""
        return tuple(member.message() for member in self.members)

    def member(self, persona_id: str) -> PanelPersona:
        """The persona with this id.

        Raises:
            KeyError: there is none.
        """
        return self._by_id[persona_id]

    def _check(self) -> None:
        if len(self._by_id) != len(self.members):
            raise PanelError("two personas have the same id")
        if [member.order for member in self.members] != list(range(1, len(self.members) + 1)):
            raise PanelError("the personas' orders are not 1, 2, 3 and so on")
        total = sum((member.weight for member in self.members), Decimal(0))
        if abs(total - 1) > _WEIGHT_TOLERANCE:
            raise PanelError(f"the personas' weights sum to {total}, not to 1 within {_WEIGHT_TOLERANCE}")
        if not any(member.holds_veto for member in self.members):
            raise PanelError("no persona holds the veto")


def load_panel(folder: Traversable | None = None) -> Panel:
    """The panel in the package's own files, or in another folder's `*.md`.

    Raises:
        PanelError: a file is malformed, or the personas do not fit together.
    """
    folder = folder or importlib.resources.files(__package__)
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".md")), key=lambda file: file.name)
    return Panel(_read_persona(file.name, file.read_text(encoding="utf-8")) for file in files)


def _read_persona(name: str, text: str) -> PanelPersona:
    """One file's persona.

    Raises:
        PanelError: the file is malformed.
    """
    opening, _, rest = text.partition("+++\n")
    header, separator, body = rest.partition("\n+++\n")
    if opening or not separator or not body.strip():
        raise PanelError(f"{name}: is not a header between +++ lines and instructions")
    try:
        fields = tomllib.loads(header, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise PanelError(f"{name}: {error}") from error
    return _persona(name, fields, body.strip())


def _persona(name: str, fields: Mapping[str, Any], instructions: str) -> PanelPersona:
    """A persona from its header and instructions."""
    if set(fields) != _HEADER_KEYS or fields["id"] != name.removesuffix(".md"):
        raise PanelError(
            f"{name}: the header needs {', '.join(sorted(_HEADER_KEYS))}, and the file's name as id"
        )
    weight = Decimal(fields["weight"])
    if not 0 <= weight <= 1 or weight != weight.quantize(_WEIGHT_TOLERANCE):
        raise PanelError(f"{name}: the weight is not between 0 and 1 with at most four decimals")
    return PanelPersona(
        persona_id=fields["id"],
        display_name=fields["display_name"],
        order=fields["order"],
        weight=weight,
        focus=fields["focus"],
        holds_veto=fields["holds_veto"],
        instructions=instructions,
        prompt_digest=hashlib.sha256(instructions.encode()).hexdigest(),
    )
