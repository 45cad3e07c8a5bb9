"""How a model on a route is asked, and what a refusal of it teaches about that. Pure.

A refusal that names a parameter is answered by leaving it out, or by exchanging it for what does the same.
Each lesson takes something away that was there, so that learning ends.
"""

import re
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from review_service.model.model_call import CallFailure, ModelCall
from review_service.model.provider_error import ProviderError
from review_service.model.routes import OMITTABLE, CacheBreakpoint, Protocol, Role, Route, StructuredOutput

# Names of the cap on an answer's tokens, in the order in which they are tried. A server of Chat Completions
# that does not know the newer name answers without a cap, silently; one that refuses the older one says so.
CAPS: Final = {
    Protocol.RESPONSES: ("max_output_tokens", "max_completion_tokens", "max_tokens"),
    Protocol.CHAT_COMPLETIONS: ("max_tokens", "max_completion_tokens", "max_output_tokens"),
}
_CAP_NAMES = frozenset(CAPS[Protocol.RESPONSES])
USER_ROLE: Final = "user"

# Statuses with which a server says that it does not take what a request holds.
_REFUSING = frozenset({400, 422, 501})
_UNKNOWN_PATH = "path_not_found"

# The last part of a parameter's path that says what it belongs to.
_BY_PART = {
    "temperature": "temperature",
    **{name: name for name in _CAP_NAMES},
    **{name: name for name in OMITTABLE},
    "stream_options": "stream",
    "service_tier": "service_tier",
    "reasoning": "reasoning_effort",
    "reasoning_effort": "reasoning_effort",
    "prompt_cache_options": "cache_breakpoint",
    "prompt_cache_breakpoint": "cache_breakpoint",
    "cache_control": "cache_breakpoint",
    "response_format": "format",
    "text": "format",
    "format": "format",
    "json_schema": "format",
    "json_object": "format",
    "schema": "format",
    "guided_json": "format",
    "response_schema": "format",
    "role": "role",
}
# Words of common speech, which name a parameter only where they stand in quotes or where names are listed.
_COMMON = (
    "metadata", "store", "stream", "reasoning", "role", "instructions", "strict", "text", "format", "schema",
)  # fmt: skip
_DISTINCT = tuple(name for name in _BY_PART if name not in _COMMON)
_NAMED = re.compile(
    rf"\b(?P<bare>{'|'.join(_DISTINCT)})\b"
    rf"|['\"`](?P<quoted>{'|'.join(_COMMON)})(?:[.\[][\w.\[\]]*)?['\"`]"
    rf"|\b(?:arguments?|parameters?|fields?|params?)(?: supplied)?: *(?P<listed>{'|'.join(_COMMON)})\b"
)
_SAYS_NO = re.compile(
    r"unsupported|not support|n['o]t support|unrecogni[sz]ed|unknown|unexpected|extra_forbidden"
    r"|invalid|not (?:permitted|allowed|known|take)|extra (?:inputs|fields)|deprecated|only the default"
    r"|must be|can'?not",
    re.IGNORECASE,
)
_OF_A_ROLE = re.compile(
    r"\b(?:system|developer)\b.{0,40}\brole\b|\broles?\b.{0,60}\b(?:system|developer)\b", re.IGNORECASE
)
_TOO_LARGE = re.compile(
    r"(?:at most|maximum(?: (?:value|allowed|of))*|less than or equal to|<=|up to)"
    r"[^0-9]{0,20}([0-9][0-9,_]{0,12})",
    re.IGNORECASE,
)
# Keywords of a schema without which it says nearly the same.
_KEYWORDS = (
    "additionalProperties", "description", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems",
    "minimum", "maximum", "pattern", "title", "default",
)  # fmt: skip
_KEYWORD = re.compile(rf"\b({'|'.join(_KEYWORDS)})\b")


@dataclass(frozen=True, slots=True)
class Manner:
    """How the next call is made. `dropped`: what was found not to be taken, by name, in the order of finding.

    `role` is that of the instructions, where they are a message. `describes_schema`: the instructions end
    with the answer's schema. `omitted` holds the route's own choice as well as what was dropped.
    """

    protocol: Protocol
    structured_output: StructuredOutput
    role: str
    takes_temperature: bool
    cap_parameter: str
    max_output_tokens: int | None
    describes_schema: bool
    omitted: frozenset[str]
    dropped: tuple[str, ...] = ()


class Lesson(NamedTuple):
    """What a refusal taught: the manner from now on, what it is about, the setting that saves the call."""

    manner: Manner
    parameter: str
    setting: str


def first_manner(route: Route, protocol: Protocol) -> Manner:
    """How a route is asked as long as nothing is known but what its table says; `protocol` is not AUTO."""
    output = route.structured_output
    return Manner(
        protocol=protocol,
        structured_output=output,
        role=route.role,
        takes_temperature=route.takes_temperature,
        cap_parameter=route.cap_parameter or CAPS[protocol][0],
        max_output_tokens=route.max_output_tokens,
        describes_schema=output != StructuredOutput.JSON_SCHEMA,
        omitted=frozenset(route.omit),
    )


def is_unknown_path(failure: CallFailure) -> bool:
    """Whether the server has nothing at this path, so that it may speak the other protocol."""
    return failure.cause == _UNKNOWN_PATH


def lesson(manner: Manner, route: Route, call: ModelCall, failure: CallFailure) -> Lesson | None:
    """What the refusal of a call made in this manner teaches; None: nothing."""
    if failure.report.http_status not in _REFUSING or failure.cause:
        return None
    parameter = _named(failure.provider)
    if parameter == "temperature":
        return _without_temperature(manner, call)
    if parameter in _CAP_NAMES:
        return _other_cap(manner, call, failure.provider.message)
    if parameter == "role":
        return _other_role(manner)
    if parameter in ("format", "strict"):
        return _less_structure(manner, call, failure.provider.message, parameter)
    return _left_out(manner, route, parameter)


def without_enforcement(manner: Manner) -> Manner:
    """The manner for a route that takes the schema and ignores it: the prompt carries it as well."""
    return replace(manner, describes_schema=True)


def _named(error: ProviderError) -> str:
    """The parameter that an error is about, by our name for it; empty where it names none."""
    for part in reversed(re.split(r"[.\[\]]+", error.param)):
        if part in _BY_PART:
            return _BY_PART[part]
    message = error.message
    if not _SAYS_NO.search(message):
        return ""
    if _OF_A_ROLE.search(message):
        return "role"
    found = _NAMED.search(message)
    return _BY_PART[found["bare"] or found["quoted"] or found["listed"]] if found else ""


def _without_temperature(manner: Manner, call: ModelCall) -> Lesson | None:
    if call.temperature is None or not manner.takes_temperature:
        return None
    return Lesson(
        _dropping(replace(manner, takes_temperature=False), "temperature"),
        "temperature",
        "temperature = false",
    )


def _other_cap(manner: Manner, call: ModelCall, message: str) -> Lesson | None:
    """A lower cap where it was too high, another name for it else, none once no name is left."""
    current = manner.cap_parameter
    if not current:
        return None
    sent = min(call.max_output_tokens, manner.max_output_tokens or call.max_output_tokens)
    most = _TOO_LARGE.search(message)
    if most is not None and 0 < (limit := int(re.sub("[,_]", "", most[1]))) < sent:
        lower = _dropping(replace(manner, max_output_tokens=limit), f"{current}.{sent}")
        return Lesson(lower, current, f"max_output_tokens = {limit}")
    tried = (*manner.dropped, current)
    named = [name for name in re.findall(r"max_\w+", message) if name in _CAP_NAMES]
    name = next((each for each in (*named, *CAPS[manner.protocol]) if each not in tried), "")
    setting = f'cap_parameter = "{name}"' if name else ""
    return Lesson(_dropping(replace(manner, cap_parameter=name), current), current, setting)


def _other_role(manner: Manner) -> Lesson | None:
    """The other role for the instructions, then the user's own message."""
    if manner.protocol == Protocol.RESPONSES and "instructions" not in manner.omitted:
        return _omitting(manner, "instructions", 'omit = ["instructions"]')
    if manner.role == USER_ROLE:
        return None
    other = Role.DEVELOPER if manner.role == Role.SYSTEM else Role.SYSTEM
    role = USER_ROLE if f"role.{other}" in manner.dropped else other.value
    setting = f'role = "{role}"' if role != USER_ROLE else ""
    name = f"role.{manner.role}"
    return Lesson(_dropping(replace(manner, role=role), name), name, setting)


def _less_structure(manner: Manner, call: ModelCall, message: str, parameter: str) -> Lesson | None:
    """The schema without what is objected to, then JSON without a schema, then by the prompt alone."""
    output = manner.structured_output
    if output == StructuredOutput.JSON_SCHEMA:
        if parameter == "strict" and "strict" not in manner.omitted:
            return _omitting(manner, "strict", 'omit = ["strict"]')
        sent = str(call.output.schema)
        for found in _KEYWORD.finditer(message):
            name = f"schema.{found[1]}"
            if f"'{found[1]}'" in sent and name not in manner.omitted:
                return _omitting(manner, name, f'omit = ["{name}"]')
        lower = StructuredOutput.JSON_OBJECT
    elif output == StructuredOutput.JSON_OBJECT:
        lower = StructuredOutput.PROMPT
    else:
        return None
    exchanged = replace(manner, structured_output=lower, describes_schema=True)
    return Lesson(_dropping(exchanged, output.value), output.value, f'structured_output = "{lower}"')


def _left_out(manner: Manner, route: Route, parameter: str) -> Lesson | None:
    """The request without a parameter that it can do without."""
    if not parameter or parameter in manner.omitted:
        return None
    settings = {
        "reasoning_effort": (bool(route.reasoning_effort), "no reasoning_effort"),
        "service_tier": (bool(route.service_tier), "no service_tier"),
        "cache_breakpoint": (route.cache_breakpoint != CacheBreakpoint.NONE, "no cache_breakpoint"),
        "instructions": (manner.protocol == Protocol.RESPONSES, 'omit = ["instructions"]'),
    }
    is_sent, setting = settings.get(parameter, (True, f'omit = ["{parameter}"]'))
    return _omitting(manner, parameter, setting) if is_sent else None


def _omitting(manner: Manner, name: str, setting: str) -> Lesson:
    return Lesson(_dropping(replace(manner, omitted=manner.omitted | {name}), name), name, setting)


def _dropping(manner: Manner, name: str) -> Manner:
    return replace(manner, dropped=(*manner.dropped, name)[:20])
