"""Health per service name, and of all together under the empty name."""

from collections.abc import Iterable

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """What health checks are answered with; every service starts NOT_SERVING.

    It is the process's: each of its addresses answers for all names.
    """

    def __init__(self) -> None:
        self._serving: dict[str, bool] = {}
        self._apart: set[str] = set()
        self._servicer = health.aio.HealthServicer()

    def know(self, service_names: Iterable[str]) -> None:
        """Answers for these names too, once it is attached."""
        self._serving |= dict.fromkeys(service_names, False)

    def know_apart(self, name: str) -> None:
        """Answers for this name too, of which the empty name takes no notice."""
        self.know([name])
        self._apart.add(name)

    async def attach(self, server: grpc.aio.Server) -> None:
        """Answers on this server from now on, before any name is said to serve."""
        for name in self._serving:
            await self._servicer.set(name, _NOT_SERVING)
        await self._publish_all()
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set_serving(self, name: str, serving: bool) -> None:
        """Says whether a service can do its work; the empty name is SERVING while all are.

        Those known apart do not count there.

        Raises:
            KeyError: for a name that the server was not built with.
        """
        if self._serving[name] == serving:
            return
        self._serving[name] = serving
        await self._servicer.set(name, _SERVING if serving else _NOT_SERVING)
        await self._publish_all()

    async def go_down(self) -> None:
        """Says NOT_SERVING for every name, for good."""
        await self._servicer.enter_graceful_shutdown()

    async def _publish_all(self) -> None:
        together = all(serves for name, serves in self._serving.items() if name not in self._apart)
        await self._servicer.set("", _SERVING if together else _NOT_SERVING)
