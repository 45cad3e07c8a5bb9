"""What a provider says of its own failure: code, type, parameter and message, cleaned and bounded. Pure.

Evidence, to stand with the attempt. `code`, `kind` and `param` are kept only where they look like names;
`message` is the provider's text and may repeat what it was sent: it is never logged.
"""

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

import jiter

MAX_MESSAGE_CHARACTERS: Final = 1_000
# Commas, that is, values in what is parsed at once: some 30 ms of work and 8 MiB, while no answer whose text
# keeps its bounds comes near it.
MAX_COMMAS: Final = 50_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}")
_PARAMETER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\[\]-]{0,199}")
# An integer with more digits than any code has is not turned into text: that takes time, or raises.
_MOST_CODE = 10**9


@dataclass(frozen=True, slots=True)
class ProviderError:
    """Each is empty where the provider did not say it."""

    code: str = ""
    kind: str = ""
    param: str = ""
    message: str = ""

    @property
    def codes(self) -> tuple[str, ...]:
        """Code and type, in this order, as far as there are any."""
        return tuple(dict.fromkeys(each for each in (self.code, self.kind) if each))


NOTHING_SAID: Final = ProviderError()


def plain(value: object) -> str:
    """A name or a number that the provider sent, or nothing where it does not look like one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 <= value <= _MOST_CODE else ""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else ""


def clean(value: object) -> str:
    """A text for people, in one line and at most 1,000 characters; nothing where the value is no text."""
    if not isinstance(value, str):
        return ""
    shown = "".join(_shown(each) for each in value[: 4 * MAX_MESSAGE_CHARACTERS])
    return " ".join(shown.split())[:MAX_MESSAGE_CHARACTERS].rstrip()


def read_json(body: bytes) -> object:
    """JSON as providers write it, lone surrogates included; None where it is none, or of too many parts.

    The second reader knows lone surrogates, the first takes a tenth of the time.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    if body.count(b",") > MAX_COMMAS:
        return None
    try:
        return jiter.from_json(body)
    except ValueError:
        pass
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def read_error(body: bytes) -> ProviderError:
    """The error in an answer's body; a body that is no JSON is its own message."""
    value = read_json(body)
    if value is None:
        return ProviderError(message=clean(body.decode("utf-8", "replace")))
    return error_in(value)


def error_in(value: object) -> ProviderError:
    """The error in an answer, wherever providers put it: alone, under `error`, `errors` or `detail`."""
    found = _innermost(value)
    if not isinstance(found, dict):
        return ProviderError(message=clean(found))
    return ProviderError(
        code=plain(found.get("code")),
        kind=plain(found.get("type")),
        param=_parameter(found),
        message=clean(found.get("message") or found.get("msg") or found.get("detail")),
    )


def _parameter(found: dict[str, object]) -> str:
    """The parameter that is objected to: by name, or by the place in the body that some frameworks give."""
    param, place = found.get("param"), found.get("loc")
    if not param and isinstance(place, list):
        parts = [str(part) for part in place[:10] if isinstance(part, str | int) and part != "body"]
        param = ".".join(parts)
    return param if isinstance(param, str) and _PARAMETER.fullmatch(param) else ""


def _innermost(value: object) -> object:
    """The object, or the text, that tells of the error; a few wrappings deep."""
    for _ in range(4):
        if isinstance(value, list):
            value = value[0] if value else None
        elif isinstance(value, dict):
            inner = next((value[key] for key in ("error", "errors", "detail") if value.get(key)), None)
            if inner is None:
                return value
            value = inner
        else:
            return value
    return value


def _shown(character: str) -> str:
    """The character, a space for a control, nothing for what cannot be seen or is half of one."""
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    return "" if category in ("Cf", "Cs", "Co", "Cn") else character
