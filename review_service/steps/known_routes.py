"""What a step needs to know of the routes to models, and what it tells of them."""

from typing import Protocol

from review_service.model.manner import Manner, first_manner
from review_service.model.routes import DEFAULT_ROUTE, Route, Routes
from review_service.model.routes import Protocol as Wire


class KnownRoutes(Protocol):
    """The routes of this process, as they are known by now; empty ids stand for the default one."""

    @property
    def routes(self) -> Routes:
        """All of them."""

    def is_open(self, route_id: str) -> bool:
        """Whether a call should rather go elsewhere; who is told that it need not, makes the call."""

    def manner(self, route_id: str, model: str) -> Manner:
        """How a model on a route is asked."""

    def note_schema_ignored(self, route_id: str, model: str) -> bool:
        """Tells that a model did not keep to the schema that it was sent; True: that is new."""


class OneRoute:
    """The default route alone, of which nothing is known."""

    __slots__ = ("routes",)

    def __init__(self) -> None:
        self.routes = Routes([Route(DEFAULT_ROUTE)])

    def is_open(self, route_id: str) -> bool:  # noqa: ARG002 - there is no other
        return False

    def manner(self, route_id: str, model: str) -> Manner:  # noqa: ARG002 - all are the same
        return first_manner(self.routes.default, Wire.RESPONSES)

    def note_schema_ignored(self, route_id: str, model: str) -> bool:  # noqa: ARG002 - nothing is kept
        return False
