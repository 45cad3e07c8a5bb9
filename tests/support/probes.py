"""Kubernetes' probes, made as the kubelet makes them, of processes on this machine."""

import ssl
import urllib.request
from typing import Any

from tests.support.deployed import Described, Loopback

_SECONDS = 5.0


def succeeds(probe: dict[str, Any], ports: dict[str, int], described: Described, here: Loopback) -> bool:
    """Whether a probe of a pod succeeds; `ports` are those of its container, by name."""
    if "exec" in probe:
        return here.once(probe["exec"]["command"], described).returncode == 0
    asked = probe["httpGet"]
    port = here.port(str(ports[asked["port"]]), described.name)
    headers = {each["name"]: each["value"] for each in asked["httpHeaders"]}
    url = f"{asked['scheme'].lower()}://127.0.0.1:{port}{asked['path']}"
    # As the kubelet: whose certificate it is does not matter.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_SECONDS, context=context
        ) as answer:
            return bool(200 <= answer.status < 400)
    except OSError:  # a status that is no success among them
        return False
