"""What a server really answers: every method, as it is registered."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import grpc


class RegisteredMethods:
    """Listens to what is registered with a server, since gRPC does not tell afterwards."""

    def __init__(self, server: grpc.aio.Server) -> None:
        """Comes before anything is registered."""
        self._names: set[str] = set()
        self._services: set[str] = set()
        self._generic: list[str] = []
        add_methods, add_generic = server.add_registered_method_handlers, server.add_generic_rpc_handlers

        def registered(service_name: str, method_handlers: Mapping[str, Any]) -> None:
            self._services.add(service_name)
            self._names.update(f"{service_name}/{name}" for name in method_handlers)
            add_methods(service_name, dict(method_handlers))

        def generic(handlers: Iterable[Any]) -> None:
            self._generic.extend(_service_of(each) for each in handlers)
            add_generic(handlers)

        # Generated code and reflection want gRPC's own server, not something like it.
        server.add_registered_method_handlers = registered  # type: ignore[method-assign]
        server.add_generic_rpc_handlers = generic  # type: ignore[method-assign,assignment]

    @property
    def names(self) -> Collection[str]:
        """All methods, as `package.Service/Method`; `package.Service/*` where a service does not tell."""
        untold = {f"{service}/*" for service in self._generic if service not in self._services}
        return frozenset(self._names | untold)


def _service_of(handler: Any) -> str:
    return str(handler.service_name()) if hasattr(handler, "service_name") else repr(handler)
