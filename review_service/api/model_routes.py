"""The routes to models as callers see them: what each is, what was learnt of it, whether it works."""

from consensus.v1 import review_service_pb2
from consensus_rpc.errors import InvalidField
from consensus_rpc.process.settings_text import without_secrets
from review_service.config import ReviewSettings
from review_service.intake.specification import model_route
from review_service.model.client import ModelClient
from review_service.model.probe import RouteProbe
from review_service.model.routes import DEFAULT_ROUTE
from review_service.model.way import Way


class ModelRoutes:
    """Answers for a model client's routes."""

    def __init__(self, settings: ReviewSettings, model: ModelClient) -> None:
        self._settings = settings
        self._model = model
        self._probe = RouteProbe(model, settings.model_for_reviewing, settings.model_attempt_timeout_seconds)

    def described(self) -> list[review_service_pb2.ModelRoute]:
        """All routes by what is known of them now, the default one first; never a key."""
        return [self._described(way) for way in self._model.ways()]

    async def probe(
        self, request: review_service_pb2.ProbeModelRoutesRequest
    ) -> review_service_pb2.ProbeModelRoutesResponse:
        """What came of a small call to each of the routes that are asked for.

        Raises:
            InvalidField: there is no such route.
        """
        known = [route.id for route in self._model.routes]
        for wanted in request.routes:
            if wanted not in known:
                raise InvalidField(field="routes", description=f"there is no route {wanted}")
        asked = [each for each in known if each in request.routes or not request.routes]
        return review_service_pb2.ProbeModelRoutesResponse(probes=await self._probe.probe(asked))

    def _described(self, way: Way) -> review_service_pb2.ModelRoute:
        route = way.route
        if route.id == DEFAULT_ROUTE:
            described = model_route(self._settings)
        else:
            described = review_service_pb2.ModelRoute(expand_model=route.model, review_model=route.model)
        described.route = route.wire_id
        described.base_url = without_secrets(route.base_url or "")
        described.api_key_configured = route.key is not None or not route.needs_key
        described.protocol = way.protocol
        described.dropped_parameters.extend(way.dropped())
        described.fallback_routes.extend(route.fallbacks)
        described.circuit_open = way.is_tripped
        return described
