"""What an attack is: what it sends, for how long, and how each of its calls may end."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import grpc

from tests.support.hostile_provider import HostileProvider
from tests.support.pair import Pair

NEVER_ENDED = "never ended"
_STATUSES = frozenset(code.name for code in grpc.StatusCode)


@dataclass(frozen=True, slots=True)
class Target:
    """The pair, a channel of the attackers' own to each service, and the provider that is the model.

    `key` is the neighbour's, where the pair asks for keys; attackers have none.
    """

    pair: Pair
    review: grpc.aio.Channel
    persistence: grpc.aio.Channel
    provider: HostileProvider
    key: str = ""


@dataclass(frozen=True, slots=True)
class Attack:
    """Rounds of calls; `act` makes one round and says how its calls ended.

    `may_end` are the only ends that are right. `documented_mib` is memory that docs allow beyond the 64 MiB
    of any attack. A round that waits for a server's own bound `is_slow`: the quick form leaves it out.
    """

    name: str
    sends: str
    act: Callable[[Target], Awaitable[Counter[str]]]
    may_end: frozenset[str]
    documented_mib: int = 0
    is_slow: bool = False


def of_a_stranger(attack: Attack) -> Attack:
    """The same by somebody without a credential, who is told nothing else than that one is needed."""
    told = frozenset({grpc.StatusCode.UNAUTHENTICATED.name}) if attack.may_end & _STATUSES else frozenset()
    return replace(attack, may_end=told | (attack.may_end - _STATUSES))
