"""`python -m consensus_rpc.process.healthcheck host:port [service]`: exits 0 when SERVING, 1 after 3 s."""

import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_TIMEOUT_SECONDS = 2.5
_USAGE = "usage: python -m consensus_rpc.process.healthcheck host:port [service]"


def check(target: str, service: str = "") -> str:
    """What the server says of a service: `SERVING`, `NOT_SERVING`, or the status code of a failed call."""
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return str(error.code().name)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def main(arguments: list[str]) -> int:
    """The exit code: 0 SERVING, 1 anything else, 2 wrong usage."""
    if not 1 <= len(arguments) <= 2:
        sys.stderr.write(f"{_USAGE}\n")
        return 2
    status = check(*arguments)
    sys.stdout.write(f"{status}\n")
    return 0 if status == "SERVING" else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
