"""What guards a service, put together as its settings say."""

from consensus_rpc.access.authenticator import CredentialAuthenticator
from consensus_rpc.access.authorizer import PolicyAuthorizer
from consensus_rpc.access.denials import Denials
from consensus_rpc.access.guarding import AccessGuard
from consensus_rpc.access.issuer_keys import IssuerKeys
from consensus_rpc.access.keys import KeyDirectory
from consensus_rpc.access.known_keys import KnownKeys
from consensus_rpc.access.policy import load_policy
from consensus_rpc.access.settings import AccessSettings
from consensus_rpc.access.tokens import SignedTokens
from consensus_rpc.server.guard import Guard, OpenGuard


def guard_of(settings: AccessSettings, directory: KeyDirectory, denials: Denials) -> Guard:
    """The guard of one server; needs a running loop.

    Raises:
        PolicyError: the policy cannot be used.
    """
    policy = load_policy(settings.access_policy)
    authorizer = PolicyAuthorizer(policy)
    if settings.authentication == "off":
        return OpenGuard(authorizer)
    keys = KnownKeys(directory, seconds=settings.key_cache_seconds) if settings.takes_keys else None
    tokens = None
    if settings.takes_tokens:
        tokens = SignedTokens(settings.token_rules(), IssuerKeys(settings.jwt_jwks or ""), policy)
    authenticator = CredentialAuthenticator(
        policy, keys=keys, tokens=tokens, loopback_suffices=settings.credentials_over_loopback
    )
    return AccessGuard(authenticator, authorizer, denials)
