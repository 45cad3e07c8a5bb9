"""`python -m consensus_door.healthcheck https://host:port`: exits 0 when both services serve, 1 after 3 s."""

import argparse
import ssl
import sys
import urllib.request
from pathlib import Path

_TIMEOUT_SECONDS = 2.5


def main(arguments: list[str]) -> int:
    """The exit code: 0 where the door answers that both serve, 1 for anything else, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m consensus_door.healthcheck")
    parser.add_argument("url", metavar="http(s)://host:port")
    parser.add_argument("--tls-ca", type=Path, help="authority (PEM) of the door's certificate")
    given = parser.parse_args(arguments)
    if not given.url.startswith(("http://", "https://")):
        parser.error("the address begins with http:// or https://")
    try:
        context = ssl.create_default_context(cafile=given.tls_ca) if given.tls_ca else None
        # Never through a proxy of the environment: it is the door on this machine that is asked.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(f"{given.url}/v1/health", timeout=_TIMEOUT_SECONDS) as answer:
            sys.stdout.write(f"{answer.status}\n")
    except (OSError, ValueError) as error:  # among them every status but those of success
        sys.stdout.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
