"""Templates into pages, and what browsers are told that a page may do."""

import time
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from consensus_contract.characters import written_out
from consensus_contract.sizes import IDEA_CHARACTERS

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'sha256-{style}'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_MEDIA_TYPES = {"js": "text/javascript", "svg": "image/svg+xml"}
_STYLES = (("consensus_report.html", "fragments.css"), ("consensus_door.page", "door.css"))
_REMEMBERED = "public, max-age=3600"


class Rendering:
    """The templates of the page, read at start.

    The style stands within each page, and the policy names it by its digest: nothing is painted before the
    style is there, and a file of its own would be asked for only once the page has come.
    """

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("consensus_door.page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["shown"] = _shown
        self._environment.globals["now_ms"] = lambda: time.time_ns() // 1_000_000
        self._environment.globals["idea_characters"] = IDEA_CHARACTERS
        style = "".join((files(package) / name).read_text(encoding="utf-8") for package, name in _STYLES)
        self._environment.globals["style"] = Markup(style)  # noqa: S704 - our own files
        self._policy = _POLICY.format(style=b64encode(sha256(style.encode()).digest()).decode())
        self._static = {
            each.name: each.read_bytes()
            for each in (files("consensus_door.page") / "static").iterdir()
            if each.name.rpartition(".")[2] in _MEDIA_TYPES
        }

    def page(self, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
        """A whole page."""
        return HTMLResponse(
            self.fragment(template, values), status, {"content-security-policy": self._policy}
        )

    def fragment(self, template: str, values: Mapping[str, Any]) -> str:
        """Part of one."""
        return self._environment.get_template(template).render(values)

    def asset(self, name: str) -> Response:
        """A file that pages refer to; 404 where there is none."""
        raw = self._static.get(name)
        if raw is None:
            return Response(status_code=404)
        media_type = _MEDIA_TYPES[name.rpartition(".")[2]]
        return Response(raw, headers={"cache-control": _REMEMBERED}, media_type=media_type)


def _shown(text: str) -> str:
    """A text of a caller or a model, its lines kept, with whatever is invisible written out."""
    return "\n".join(written_out(line) for line in text.split("\n"))
