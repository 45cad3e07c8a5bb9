"""`consensus doctor`: is everything there, does it fit together, and what is wrong."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from json import dumps as to_json
from typing import Annotated, Any

import grpc.aio
import typer
from google.protobuf import json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consensus.internal.v1 import diagnostics_service_pb2, diagnostics_service_pb2_grpc
from consensus.v1 import review_service_pb2, review_service_pb2_grpc
from consensus_cli.arguments import inputs, options
from consensus_cli.execution import exits
from consensus_cli.execution.calling import calling, reach
from consensus_cli.execution.failures import plain_cause
from consensus_cli.execution.printing import say
from consensus_cli.view.routes import announced_ends, probe_lines
from consensus_cli.view.run import model
from consensus_cli.view.tables import table
from consensus_client.credentials import CredentialError
from consensus_client.options import environment_tls
from consensus_contract.errors import ConsensusError
from consensus_report import text
from consensus_rpc.channel.channels import call_options
from consensus_rpc.channel.status import contract_errors

_CALL_SECONDS = 3.0
_PROBE_SECONDS = 600.0  # slow routes are given minutes
_WORDS = {True: "ok", False: "FAILED", None: "-"}
_SERVING = health_pb2.HealthCheckResponse.SERVING


@dataclass(frozen=True, slots=True)
class Checkup:
    """One thing: whether it is as it should be (None: it was not tried), and what was seen."""

    subject: str
    is_well: bool | None
    seen: str


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was looked at; probes of the routes only where the models were asked."""

    checkups: Sequence[Checkup]
    probes: Sequence[review_service_pb2.ModelRouteProbe] = ()


def doctor(
    server: options.Server = options.DEFAULT_SERVER,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
    ask_models: Annotated[
        bool, typer.Option("--model", help="Make one small call on each route to a model; it costs a little.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Check both services, the database and the models.

    One line for each thing looked at; exit 1 when something is wrong. No model
    is called unless --model says so.
    """
    try:
        seen = asyncio.run(_look(inputs.target(server), inputs.target(persistence), ask_models=ask_models))
    except CredentialError as error:
        raise typer.BadParameter(str(error)) from None
    wrong = list(_wrong(seen))
    if json:
        say(_as_json(seen))
    else:
        _show(seen)
        untried = ", ".join(each.subject for each in seen.checkups if each.is_well is None)
        well = f"all that was tried is well; not tried: {untried}" if untried else "all is well"
        say("", f"wrong: {', '.join(wrong)}" if wrong else well)
    raise typer.Exit(exits.FAILED if wrong else exits.OK)


def _wrong(seen: Seen) -> Iterator[str]:
    yield from (each.subject for each in seen.checkups if each.is_well is False)
    yield from (f"route {text.clean(each.route)}" for each in seen.probes if not each.usable)


def _as_json(seen: Seen) -> str:
    """`{"well": …, "checks": [{"what": …, "well": true, false or null for not tried, "seen": …}]}`.

    With --model also `"probes"`, each as protobuf JSON.
    """
    checks = [{"what": each.subject, "well": each.is_well, "seen": each.seen} for each in seen.checkups]
    found: dict[str, Any] = {"well": not any(_wrong(seen)), "checks": checks}
    if seen.probes:
        found["probes"] = [_as_dict(each) for each in seen.probes]
    return to_json(found)


def _as_dict(probe: review_service_pb2.ModelRouteProbe) -> dict[str, Any]:
    return json_format.MessageToDict(probe, always_print_fields_with_no_presence=True)


def _show(seen: Seen) -> None:
    rows = [[_WORDS[each.is_well], each.subject, each.seen] for each in seen.checkups]
    say(*table(("", "what", "seen"), rows)[1:])
    if seen.probes:
        say("", *probe_lines(seen.probes))


def register(app: typer.Typer) -> None:
    app.command()(doctor)


async def _look(server: str, persistence: str, *, ask_models: bool) -> Seen:
    review, record = await asyncio.gather(
        _examine_review(server, ask_models=ask_models), _examine_persistence(persistence)
    )
    if not ask_models:
        return Seen([*review, *record])
    try:
        return Seen([*review, *record], await _probe(server))
    except ConsensusError as error:
        return Seen([*review, _unreachable("model", server, error), *record])


async def _probe(target: str) -> Sequence[review_service_pb2.ModelRouteProbe]:
    """What each route answers.

    Raises:
        ConsensusError: when the review service cannot be asked.
    """
    async with reach(target) as channel:
        with contract_errors():
            answer = await review_service_pb2_grpc.ReviewServiceStub(channel).ProbeModelRoutes(
                review_service_pb2.ProbeModelRoutesRequest(), **calling(target, _PROBE_SECONDS)
            )
    return answer.probes


async def _examine_review(target: str, *, ask_models: bool) -> list[Checkup]:
    subject = "review service"
    async with reach(target) as channel:
        try:
            health = await _health(channel, "consensus.v1.ReviewService")
            with contract_errors():
                info = await review_service_pb2_grpc.ReviewServiceStub(channel).GetServiceInfo(
                    review_service_pb2.GetServiceInfoRequest(), **calling(target, _CALL_SECONDS)
                )
        except ConsensusError as error:
            return [_unreachable(subject, target, error)]
    ours = version("consensus-client")
    seen = f"{target}, {health.seen}, {_way()}, version {text.clean(info.version)}"
    if info.version != ours:
        seen += f" (this command: {ours})"
    about = [] if ask_models else _about_untried(info)
    return [Checkup(subject, health.is_well, seen), *_about_model(info), *about]


def _about_model(info: review_service_pb2.GetServiceInfoResponse) -> Iterator[Checkup]:
    route = info.model_route
    key = "key present" if route.api_key_configured else "no key: runs will fail with LLM_AUTHENTICATION"
    yield Checkup("model's key", route.api_key_configured, key)
    today = datetime.now(UTC).date()
    for has_time, seen in announced_ends([route.expand_model, route.review_model], today):
        yield Checkup("model's end", has_time, seen)


def _about_untried(info: review_service_pb2.GetServiceInfoResponse) -> Iterator[Checkup]:
    """What is known of the models without asking them."""
    route = info.model_route
    models = dict.fromkeys([model(route.expand_model, None), model(route.review_model, None)])
    where = text.clean(route.base_url) or "the provider's own address"
    untried = "not tried: `consensus doctor --model` makes a small call"
    yield Checkup("model", None, f"{', '.join(models)} at {where}, {untried}")
    for each in info.routes:
        if each.circuit_open:
            subject = f"route {text.clean(each.route or 'default')}"
            yield Checkup(subject, is_well=False, seen="its calls keep failing; --model asks it")


async def _examine_persistence(target: str) -> list[Checkup]:
    subject = "persistence service"
    async with reach(target) as channel:
        try:
            health = await _health(channel, "consensus.internal.v1.PersistenceService")
        except ConsensusError as error:
            return [_unreachable(subject, target, error)]
        service = Checkup(subject, health.is_well, f"{target}, {health.seen}, {_way()}")
        try:
            with contract_errors():
                status = await diagnostics_service_pb2_grpc.DiagnosticsServiceStub(channel).GetDatabaseStatus(
                    diagnostics_service_pb2.GetDatabaseStatusRequest(), **calling(target, _CALL_SECONDS)
                )
        except ConsensusError as error:
            return [service, Checkup("database", False, _words(error))]
    return [service, *_about_database(status)]


def _about_database(status: diagnostics_service_pb2.GetDatabaseStatusResponse) -> Iterator[Checkup]:
    rows = text.count(sum(each.row_count for each in status.tables), "row")
    tables = text.count(len(status.tables), "table")
    address = f"{text.clean(status.address)}, " if status.address else ""
    yield Checkup(
        "database",
        is_well=True,
        seen=f"{address}{text.clean(status.backend)} {text.clean(status.server_version)}, "
        f"{text.size(status.size_bytes)}, {rows} in {tables}",
    )
    yield _about_schema(text.clean(status.schema_revision), text.clean(status.schema_head))
    pool = status.pool
    yield Checkup(
        "connections",
        # Who waits while some are free waits for one to be opened, as the first callers do.
        pool.waiting_count == 0 or pool.checked_out_count < pool.size,
        f"{pool.checked_out_count} of {pool.size} in use, {pool.overflow_count} beyond, "
        f"{pool.waiting_count} waiting",
    )
    waits = status.HasField("oldest_queued_run_time")
    oldest = f"oldest run since {text.instant(status.oldest_queued_run_time)}" if waits else "no run waits"
    yield Checkup("queue", is_well=True, seen=oldest)
    for each in status.tables:
        about = "about " if each.estimated else ""
        seen = f"{about}{text.count(each.row_count, 'row')}"
        yield Checkup(f"table {text.clean(each.table)}", is_well=True, seen=seen)


def _about_schema(revision: str, head: str) -> Checkup:
    """Revisions are numbered; a service that did not serve on a later one than its own would not run."""
    if revision == head:
        said = "newest"
    elif revision > head:
        said = f"of a later release than the service's ({head}), which serves on it"
    else:
        said = f"this release expects {head}: run the migration"
    return Checkup("schema", revision >= head, f"revision {revision or 'none'}, {said}")


def _way() -> str:
    """How what was said went there and back."""
    tls = environment_tls()
    if tls is None:
        return "plain text"
    return "TLS 1.3 with a certificate of ours" if tls.files.certificate else "TLS 1.3"


async def _health(channel: grpc.aio.Channel, service: str) -> Checkup:
    """What the server says of itself and of a service; unwell unless both serve.

    Raises:
        ConsensusError: when it cannot be asked.
    """
    stub: Any = health_pb2_grpc.HealthStub(channel)  # its types do not know its methods
    with contract_errors():
        answers = [
            (
                await stub.Check(health_pb2.HealthCheckRequest(service=name), **call_options(_CALL_SECONDS))
            ).status
            for name in ("", service)
        ]
    words = {text.word(health_pb2.HealthCheckResponse.ServingStatus, each, "") for each in answers}
    is_well = all(each == _SERVING for each in answers)
    return Checkup(service, is_well, "serving" if is_well else " and ".join(sorted(words)))


def _unreachable(subject: str, target: str, error: ConsensusError) -> Checkup:
    return Checkup(subject, is_well=False, seen=f"{target}: {_words(error)}")


def _words(error: ConsensusError) -> str:
    return (
        f"{text.shorten(plain_cause(error), 300)} [{text.clean(error.reason_name or error.status_code.name)}]"
    )
