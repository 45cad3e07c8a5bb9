"""A panel as a folder: `panel.toml` names its personas in their order, each has a Markdown file.

A persona's file, `<id>.md`, is `+++`, a TOML header, `+++`, and the instructions as they are sent.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration

from consensus.v1 import panel_pb2, panel_service_pb2, run_pb2
from consensus_panels.limits import MAX_PERSONAS

PANEL_FILE = "panel.toml"
_ID = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MAX_FILE_BYTES = 65_536
_PANEL_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "title": str,
    "language": str,
    "policy": str,
    "personas": list,
    "min_personas": int,
    "required_personas": list,
}
_PERSONA_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "display_name": str,
    "weight": (int, float),
    "focus": str,
    "holds_veto": bool,
    "shows_idea": bool,
    "optional": bool,
    "temperature": (int, float),
    "model": str,
    "time_limit_seconds": (int, float),
}


class PanelFilesError(ValueError):
    """A file of the panel is not there, too large or malformed; the message begins with its name."""


def read_folder(folder: Traversable) -> panel_service_pb2.Panel:
    """The panel as its author wrote it: neither linted nor normalised.

    Raises:
        PanelFilesError: a file is not there, too large or malformed.
    """
    fields = _checked(PANEL_FILE, _toml(PANEL_FILE, _text(folder, PANEL_FILE)), _PANEL_KEYS)
    names = fields.get("personas", [])
    if not names or not all(isinstance(name, str) and _ID.fullmatch(name) for name in names):
        raise PanelFilesError(f"{PANEL_FILE}: personas lists their ids, each a file <id>.md")
    if len(names) > MAX_PERSONAS:
        raise PanelFilesError(
            f"{PANEL_FILE}: a panel has at most {MAX_PERSONAS} personas, and not {len(names)}"
        )
    panel = panel_service_pb2.Panel(
        title=fields.get("title", ""),
        language=fields.get("language", ""),
        policy=fields.get("policy", ""),
        personas=[_persona(folder, name) for name in names],
    )
    if "min_personas" in fields or "required_personas" in fields:
        panel.quorum.CopyFrom(_quorum(fields))
    return panel


def write_folder(panel: panel_service_pb2.Panel, folder: Path) -> None:
    """Writes the files of a panel; the folder is made where there is none.

    Raises:
        OSError: a file cannot be written.
        FileExistsError: the folder has a panel already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / PANEL_FILE).open("x", encoding="utf-8") as file:
        file.write(_panel_toml(panel))
    for persona in panel.personas:
        text = f"+++\n{_header(persona)}+++\n{persona.instructions}\n"
        (folder / f"{persona.persona_id}.md").write_text(text, encoding="utf-8")


def _text(folder: Traversable, name: str) -> str:
    file = folder / name
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PanelFilesError(f"{name}: {error.strerror or error}") from error
    if len(content) > _MAX_FILE_BYTES:
        raise PanelFilesError(f"{name}: has more than {_MAX_FILE_BYTES} bytes")
    try:
        return content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise PanelFilesError(f"{name}: is not UTF-8") from error


def _toml(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PanelFilesError(f"{name}: {error}") from error


def _checked(
    name: str, fields: dict[str, Any], kinds: Mapping[str, type | tuple[type, ...]]
) -> dict[str, Any]:
    if unknown := sorted(fields.keys() - kinds.keys()):
        raise PanelFilesError(f"{name}: knows no {', '.join(unknown)}; allowed: {', '.join(kinds)}")
    for key, value in fields.items():
        kind = kinds[key]
        is_number = kind is not bool and isinstance(value, bool)
        if not isinstance(value, kind) or is_number:
            raise PanelFilesError(f"{name}: {key} is not what it must be: {value!r:.80}")
    return fields


def _persona(folder: Traversable, persona_id: str) -> panel_pb2.Persona:
    name = f"{persona_id}.md"
    opening, _, rest = _text(folder, name).partition("+++\n")
    header, separator, instructions = rest.partition("\n+++\n")
    if opening or not separator:
        raise PanelFilesError(f"{name}: is not a header between +++ lines and instructions")
    fields = _checked(name, _toml(name, header), _PERSONA_KEYS)
    for key in ("display_name", "weight"):
        if key not in fields:
            raise PanelFilesError(f"{name}: the header lacks {key}")
    limit = fields.pop("time_limit_seconds", None)
    try:
        persona = panel_pb2.Persona(persona_id=persona_id, instructions=instructions.strip(), **fields)
        if limit is not None:
            persona.time_limit.CopyFrom(_duration(limit))
    except (ValueError, OverflowError) as error:
        raise PanelFilesError(f"{name}: {error}") from error
    return persona


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1_000_000))
    return duration


def _quorum(fields: Mapping[str, Any]) -> run_pb2.Quorum:
    try:
        return run_pb2.Quorum(
            min_personas=fields.get("min_personas", 0), required_personas=fields.get("required_personas", [])
        )
    except (TypeError, ValueError) as error:
        raise PanelFilesError(f"{PANEL_FILE}: {error}") from error


def _panel_toml(panel: panel_service_pb2.Panel) -> str:
    lines = [f"title = {_string(panel.title)}"]
    if panel.language:
        lines.append(f"language = {_string(panel.language)}")
    if panel.policy:
        lines.append(f"policy = {_string(panel.policy)}")
    lines += ["personas = [", *(f"    {_string(each.persona_id)}," for each in panel.personas), "]"]
    if panel.HasField("quorum"):
        lines.append(f"min_personas = {panel.quorum.min_personas}")
        required = ", ".join(_string(each) for each in panel.quorum.required_personas)
        lines.append(f"required_personas = [{required}]")
    return "\n".join(lines) + "\n"


def _header(persona: panel_pb2.Persona) -> str:
    lines = [f"display_name = {_string(persona.display_name)}", f"weight = {persona.weight!r}"]
    lines += [
        f"{name} = {_string(getattr(persona, name))}" for name in ("focus", "model") if getattr(persona, name)
    ]
    lines += [f"{name} = true" for name in ("holds_veto", "optional", "shows_idea") if getattr(persona, name)]
    if persona.HasField("temperature"):
        lines.append(f"temperature = {persona.temperature!r}")
    if persona.HasField("time_limit"):
        lines.append(f"time_limit_seconds = {persona.time_limit.ToMicroseconds() / 1_000_000!r}")
    return "\n".join(lines) + "\n"


def _string(text: str) -> str:
    """As a basic string of TOML, whose escapes are among JSON's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
