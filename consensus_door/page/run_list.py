"""Which runs a page of the list shows: by what the services filter, and by words, looked for here."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from consensus.v1 import run_pb2
from consensus_client.matching import is_about
from consensus_contract.sizes import MAX_PAGE_SIZE
from consensus_door.plain.requests import list_request
from consensus_door.rpc.packed import turned
from consensus_door.services.calling import Credential
from consensus_door.services.services import Services
from consensus_rpc.errors import InvalidField

CHOICES = ("search", "state", "decision", "user", "min_confidence", "create_time_from", "create_time_to")

_DATE_CHARACTERS = len("2026-01-31")
_ENDS_OF_A_DAY = {"create_time_from": "T00:00:00Z", "create_time_to": "T23:59:59.999999Z"}
_MOST_WORDS_CHARACTERS = 200
_ENOUGH_RUNS = 30
_MOST_PAGES = 10
_MOST_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class FoundRuns:
    """Runs, newest first, and where older ones begin; `looked_at` of them were searched for words."""

    runs: list[run_pb2.Run]
    next_page_token: str
    looked_at: int = 0


async def read_runs(services: Services, credential: Credential, query: Mapping[str, str]) -> FoundRuns:
    """The runs that a query names, as the form of the list makes it.

    Words are looked for in one page of the services after another: until there are enough runs, and in so
    many pages and seconds at most. What is older is left to the next page of the list.

    Raises:
        ConsensusError: there is no such condition, or the services refuse.
    """
    wanted = {name: _instant(name, value) for name, value in query.items()}
    words = wanted.pop("search", "").strip()
    request = list_request(wanted)
    if not words:
        answer = await services.ask(request, credential)
        return FoundRuns(list(answer.runs), answer.next_page_token)
    if len(words) > _MOST_WORDS_CHARACTERS:
        raise InvalidField(field="search", description=f"at most {_MOST_WORDS_CHARACTERS} characters")
    request.page_size = MAX_PAGE_SIZE
    found: list[run_pb2.Run] = []
    looked_at, end = 0, monotonic() + _MOST_SECONDS
    for _ in range(_MOST_PAGES):
        answer = await services.ask(request, credential)
        found += await turned(answer.ByteSize(), _about, answer.runs, words)
        looked_at += len(answer.runs)
        request.page_token = answer.next_page_token
        if not request.page_token or len(found) >= _ENOUGH_RUNS or monotonic() > end:
            break
    return FoundRuns(found, request.page_token, looked_at)


def _about(runs: list[run_pb2.Run], words: str) -> list[run_pb2.Run]:
    return [each for each in runs if is_about(each, words)]


def _instant(name: str, value: str) -> str:
    """A day of the form as the instant where it begins or ends, in UTC; all else as it is."""
    return (
        value + _ENDS_OF_A_DAY[name] if name in _ENDS_OF_A_DAY and len(value) == _DATE_CHARACTERS else value
    )
