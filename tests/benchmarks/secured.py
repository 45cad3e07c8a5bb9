"""What TLS and keys cost: the same load on a pair without them and on one with both, taking turns.

Each pair has a PostgreSQL database of its own; the secured one has TLS 1.3 everywhere, mutual between its
services, and asks callers for keys. The model answers at once. Prints reviews/s of each turn, and the ratio.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from consensus_client import ClientOptions, ReviewClient
from consensus_rpc.channel.bearer import Bearer
from consensus_rpc.channel.channels import ChannelOptions
from tests.benchmarks.job import IDEA
from tests.support.access import make_key
from tests.support.pair import PERSISTENCE, REVIEW, Pair, wait_serving
from tests.support.postgres import Cluster
from tests.support.processes import Process, clean_environment, start_process, wait_started
from tests.support.tls import Pki, pair_settings

LEAST_RATIO = 0.9
_WARM_UP_SECONDS = 3.0


class Contender:
    """A running pair, and how it is called."""

    def __init__(self, name: str, pair: Pair, options: ClientOptions) -> None:
        self.name = name
        self._pair = pair
        self._options = options
        self.rates: list[float] = []

    async def load(self, seconds: float, callers: int) -> float:
        """Reviews/s with so many callers, each with one review after the other."""
        done, ends = 0, time.monotonic() + seconds

        async def caller(client: ReviewClient) -> None:
            nonlocal done
            while time.monotonic() < ends:
                kinds = [event.WhichOneof("payload") async for event in client.review(IDEA)]
                assert kinds[-1] == "run_completed", kinds
                done += time.monotonic() < ends

        async with ReviewClient(self._pair.review_address, self._options) as client:
            await asyncio.gather(*(caller(client) for _ in range(callers)))
        return done / seconds


def start(pair: Pair, model: Process) -> None:
    """Both services on the benchmark's model."""
    pair.model_url = f"http://127.0.0.1:{model.address}"
    pair.persistence = pair.spawn_persistence(pair.ports.listen(), pair.ports.listen())
    pair.persistence_address = wait_started(pair.persistence)
    pair.internal_address = pair.persistence.internal_address
    pair.review = pair.spawn_review()
    pair.review_address = wait_started(pair.review)
    wait_serving(pair.persistence_address, PERSISTENCE, pair.tls)
    wait_serving(pair.review_address, REVIEW, pair.tls)


def plain(cluster: Cluster, folder: Path) -> tuple[Pair, ClientOptions]:
    """A pair in plain text that asks nobody who it is, to be started."""
    return Pair(folder, cluster.create_database()), ClientOptions()


def secured(cluster: Cluster, folder: Path) -> tuple[Pair, ClientOptions]:
    """A pair with certificates and keys, to be started."""
    pki, url = Pki(folder / "pki"), cluster.create_database()
    key = make_key(url, "--subject", "bench", "--role", "submitter")
    review, persistence = pair_settings(pki)
    asks = {"AUTHENTICATION": "keys"}
    pair = Pair(folder, url, review | asks, persistence | asks, tls=pki.channel_tls(pki.client("bench")))
    options = ClientOptions(channel=ChannelOptions(tls=pki.channel_tls()), bearer=Bearer(key))
    return pair, options


async def measure(contenders: Sequence[Contender], rounds: int, seconds: float, callers: int) -> None:
    """All turns; the order changes from round to round."""
    for each in contenders:
        await each.load(_WARM_UP_SECONDS, callers)
    for number in range(rounds):
        for each in contenders if number % 2 else reversed(contenders):
            each.rates.append(await each.load(seconds, callers))
            print(f"round {number + 1}, {each.name}: {each.rates[-1]:.1f} reviews/s", file=sys.stderr)


def report(contenders: Sequence[Contender]) -> bool:
    """Print the table, in Markdown; whether the bound holds."""
    medians = [statistics.median(each.rates) for each in contenders]
    ratio = medians[1] / medians[0]
    print("| pair | reviews/s, median | least, most |\n| --- | ---: | ---: |")
    for each, median in zip(contenders, medians, strict=True):
        print(f"| {each.name} | {median:.1f} | {min(each.rates):.1f}, {max(each.rates):.1f} |")
    print(f"\nwith TLS and keys: {ratio:.2f} of the reviews/s without; at least {LEAST_RATIO} is wanted")
    return ratio >= LEAST_RATIO


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 when the bound holds."""
    parser = argparse.ArgumentParser(prog="make bench-secured", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default %(default)s")
    parser.add_argument("--seconds", type=float, default=8.0, help="of a turn; default %(default)s")
    parser.add_argument("--callers", type=int, default=32, help="at once; default %(default)s")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="consensus-secured-") as name, ExitStack() as stack:
        folder, cluster = Path(name), stack.enter_context(Cluster())
        model = start_process("tests.benchmarks.model", folder, clean_environment(), name="model")
        stack.callback(model.stop)
        wait_started(model)
        contenders = []
        for made, title in ((plain, "without"), (secured, "with TLS and keys")):
            own = folder / made.__name__
            own.mkdir()
            pair, client_options = made(cluster, own)
            stack.callback(pair.stop)
            start(pair, model)
            contenders.append(Contender(title, pair, client_options))
        asyncio.run(measure(contenders, options.rounds, options.seconds, options.callers))
        return 0 if report(contenders) else 1


if __name__ == "__main__":
    sys.exit(main())
