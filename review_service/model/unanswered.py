"""Why no answer came over a connection: told apart by what happened, not by the class that was raised."""

import errno
import os
import socket
import ssl
from dataclasses import dataclass

import aiohttp

from review_service.model.body import UndecodableBodyError
from review_service.model.provider_error import clean

# What this machine has too little of; none of it is the provider's doing.
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_NO_WAY = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EACCES})


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A call without an answer: a short word, a sentence without content, the system's own words."""

    cause: str
    message: str
    detail: str = ""
    is_local: bool = False


def unanswered(error: Exception) -> Unanswered:
    """What an error while connecting, sending or reading stands for."""
    system = _system_error(error)
    if _is_shortage(error, system):
        return _shortage(system)
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return _proxy(error)
    if isinstance(error, TimeoutError):
        return Unanswered("connect_timeout", "No connection to the model's provider came about in time.")
    if isinstance(error, aiohttp.ClientConnectorError | ssl.SSLError):
        return _not_connected(error, system)
    if isinstance(error, UndecodableBodyError):
        return Unanswered("undecodable", f"The provider's answer is {error}.")
    if isinstance(error, aiohttp.ClientPayloadError):
        return Unanswered("cut_off", "The provider broke off its answer.")
    if isinstance(error, aiohttp.ClientResponseError):
        return Unanswered("not_http", "What came from the provider is no HTTP.")
    return Unanswered("broken_off", "The provider broke off the connection.", _words(system))


def _not_connected(error: Exception, system: OSError | None) -> Unanswered:
    """What kept a connection from coming about."""
    certificate = (
        error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error
    )
    if isinstance(certificate, ssl.SSLCertVerificationError):
        detail = clean(certificate.verify_message)
        return Unanswered(
            "certificate", f"The certificate of the model's provider was not accepted: {detail}.", detail
        )
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Unanswered("tls", "No TLS came about with the model's provider.", _words(system))
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Unanswered(
            "name_not_resolved",
            "The host name of the model's provider could not be resolved.",
            _words(system),
        )
    number = system.errno if system is not None else None
    if number == errno.ECONNREFUSED:
        return Unanswered(
            "connection_refused", "The host of the model's provider refused the connection at this port."
        )
    if number in _NO_WAY:
        return Unanswered("no_route", "There is no way to the host of the model's provider.", _words(system))
    return Unanswered("not_connected", "The model's provider could not be reached.", _words(system))


def _proxy(error: aiohttp.ClientError) -> Unanswered:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return Unanswered("proxy", f"The proxy of the environment answered {error.status} to CONNECT.")
    return Unanswered(
        "proxy", "The proxy of the environment could not be reached.", _words(_system_error(error))
    )


def _shortage(system: OSError | None) -> Unanswered:
    number = system.errno if system is not None else None
    return Unanswered(
        "local_shortage",
        "No call was made: this machine is short of what a connection takes"
        f" ({errno.errorcode.get(number or 0, 'EMFILE')}).",
        _words(system),
        is_local=True,
    )


def _is_shortage(error: Exception, system: OSError | None) -> bool:
    """Whether this machine fell short; resolving names hides it, so that a descriptor is asked for."""
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(system, socket.gaierror):
        return _has_no_descriptor()
    return system is not None and not isinstance(system, ssl.SSLError) and system.errno in _SHORTAGES


def _has_no_descriptor() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return True
    return False


def _system_error(error: Exception) -> OSError | None:
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error
    return error if isinstance(error, OSError) else None


def _words(system: OSError | None) -> str:
    return clean(system.strerror) if system is not None else ""
