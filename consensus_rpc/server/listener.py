"""One address of a server: who is called there."""

from collections.abc import Iterable

import grpc
from grpc_reflection.v1alpha import reflection

from consensus_rpc.process.settings_types import split_host_port
from consensus_rpc.security.files import ServerTls
from consensus_rpc.security.material import BadMaterial
from consensus_rpc.security.tls import server_credentials
from consensus_rpc.server.health import Health
from consensus_rpc.server.interceptor import RpcInterceptor
from consensus_rpc.server.options import ServerOptions
from consensus_rpc.server.registered import RegisteringServer
from consensus_rpc.telemetry.certificates import CertificateTelemetry


class CannotListenError(RuntimeError):
    """The address cannot be bound."""


class Listener:
    """A gRPC server on an address of its own, for services of its own.

    A method of another listener's services is UNIMPLEMENTED here. Add servicers to `grpc` before it starts.
    """

    def __init__(
        self,
        listen: str,
        service_names: Iterable[str],
        interceptor: RpcInterceptor,
        options: ServerOptions,
        tls: ServerTls | None,
    ) -> None:
        """Builds it; nothing listens yet. The interceptor is its own: it keeps the handlers that it wraps."""
        self._listen = listen
        self._tls = tls
        self._reflection = options.reflection
        self.service_names = tuple(service_names)
        self.address = ""
        # No limit of gRPC's own: it would refuse without details, and health checks too.
        self.grpc = RegisteringServer(
            grpc.aio.server(interceptors=[interceptor], options=options.channel_arguments())
        )

    async def prepare(self, health: Health) -> None:
        """Adds what every address answers; then `grpc.methods` has all names."""
        await health.attach(self.grpc)
        if self._reflection:
            names = (*self.service_names, "grpc.health.v1.Health", reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self.grpc)

    async def start(self) -> None:
        """Binds and listens; then `address` says where.

        Raises:
            CannotListenError: when the address cannot be bound, or its certificate cannot be used.
        """
        host, _ = split_host_port(self._listen)
        try:
            port = self._bind()
        except BadMaterial as error:
            raise CannotListenError(f"cannot listen on {self._listen}: {error}") from error
        except RuntimeError as error:
            raise CannotListenError(f"cannot listen on {self._listen}: is it in use?") from error
        await self.grpc.start()
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def is_encrypted(self) -> bool:
        """Whether it speaks TLS."""
        return self._tls is not None

    def _bind(self) -> int:
        if self._tls is None:
            return self.grpc.add_insecure_port(self._listen)
        credentials = server_credentials(self._listen, self._tls, CertificateTelemetry())
        return self.grpc.add_secure_port(self._listen, credentials)
