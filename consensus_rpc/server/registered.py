"""What a server really answers: every method, as it is registered."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import grpc


class RegisteringServer(grpc.aio.Server):
    """gRPC's server, which remembers what is registered with it: gRPC does not tell afterwards."""

    def __init__(self, server: grpc.aio.Server) -> None:
        """Comes before anything is registered."""
        self._server = server
        self._names: set[str] = set()
        self._told: set[str] = set()
        self._generic: list[str] = []

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        """As gRPC's."""
        self._told.add(service_name)
        self._names.update(f"{service_name}/{name}" for name in method_handlers)
        self._server.add_registered_method_handlers(service_name, dict(method_handlers))

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[Any]) -> None:
        """As gRPC's."""
        handlers = tuple(generic_rpc_handlers)
        self._generic.extend(_service_of(each) for each in handlers)
        self._server.add_generic_rpc_handlers(handlers)

    def add_insecure_port(self, address: str) -> int:
        """As gRPC's."""
        return self._server.add_insecure_port(address)

    def add_secure_port(self, address: str, server_credentials: grpc.ServerCredentials) -> int:
        """As gRPC's."""
        return self._server.add_secure_port(address, server_credentials)

    async def start(self) -> None:
        """As gRPC's."""
        await self._server.start()

    async def stop(self, grace: float | None) -> None:
        """As gRPC's."""
        await self._server.stop(grace)

    async def wait_for_termination(self, timeout: float | None = None) -> bool:
        """As gRPC's."""
        return await self._server.wait_for_termination(timeout)

    @property
    def methods(self) -> Collection[str]:
        """All methods, as `package.Service/Method`; `package.Service/*` where a service does not tell."""
        untold = {f"{service}/*" for service in self._generic if service not in self._told}
        return frozenset(self._names | untold)


def _service_of(handler: Any) -> str:
    return str(handler.service_name()) if hasattr(handler, "service_name") else repr(handler)
