"""`python -m consensus_rpc.process.healthcheck host:port [service]`: exits 0 when SERVING, 1 after 3 s.

With `--tls-ca` it speaks TLS, and shows a certificate where one is given. With `--alive` any answer will do:
a process that waits for another is not to be restarted for it.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consensus_rpc.security.files import ChannelTls, TlsFiles
from consensus_rpc.security.material import BadMaterial, read_material
from consensus_rpc.security.tls import channel_credentials

_TIMEOUT_SECONDS = 2.5
_ANSWERS = frozenset({"SERVING", "NOT_SERVING"})


def check(target: str, service: str = "", tls: ChannelTls | None = None) -> str:
    """What the server says of a service: `SERVING`, `NOT_SERVING`, or the status code of a failed call.

    Raises:
        BadMaterial: a file of `tls` cannot be used.
    """
    with _channel(target, tls) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return str(error.code().name)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def _channel(target: str, tls: ChannelTls | None) -> grpc.Channel:
    arguments: list[tuple[str, str | int]] = [("grpc.enable_http_proxy", 0)]
    if tls is None:
        return grpc.insecure_channel(target, options=arguments)
    arguments += tls.channel_arguments()
    return grpc.secure_channel(target, channel_credentials(read_material(tls.files)), options=arguments)


def main(arguments: list[str]) -> int:
    """The exit code: 0 SERVING (`--alive`: or NOT_SERVING), 1 anything else, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m consensus_rpc.process.healthcheck")
    parser.add_argument("target", metavar="host:port")
    parser.add_argument("service", nargs="?", default="")
    parser.add_argument("--alive", action="store_true", help="exit 0 when it answers, serving or not")
    parser.add_argument("--tls-ca", type=Path, help="authority (PEM) of the server's certificate")
    parser.add_argument("--tls-cert", type=Path, help="certificate (PEM) to show")
    parser.add_argument("--tls-key", type=Path, help="its key (PEM)")
    try:
        given = parser.parse_args(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    files = TlsFiles(certificate=given.tls_cert, key=given.tls_key, authority=given.tls_ca)
    try:
        status = check(given.target, given.service, ChannelTls(files=files) if given.tls_ca else None)
    except BadMaterial as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{status}\n")
    wanted = _ANSWERS if given.alive else {"SERVING"}
    return 0 if status in wanted else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
