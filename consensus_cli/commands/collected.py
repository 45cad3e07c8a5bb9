"""`event` and `metric`: what was collected, and how much of it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, TypeVar

import typer
from google.protobuf import struct_pb2, timestamp_pb2
from google.protobuf.message import Message

from consensus.v1 import event_service_pb2, metric_service_pb2
from consensus_cli.arguments import inputs, options
from consensus_cli.execution.printing import complain, say, say_json
from consensus_cli.execution.session import PERSISTENCE, CommandSession
from consensus_cli.view import collected as view
from consensus_client import EventClient, MetricClient

FoundT = TypeVar("FoundT", bound=Message)

events = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
metrics = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

_Type = Annotated[str, typer.Option("--type", metavar="WORD", help="Of this type.", show_default=False)]
_User = Annotated[str, typer.Option(metavar="ID", help="Of this person.", show_default=False)]
_Draft = Annotated[str, typer.Option(metavar="ID", help="Of this draft.", show_default=False)]
_Since = Annotated[
    str | None, typer.Option(metavar="SPAN", help="Within 45m, 12h, 7d or 2w of now.", show_default=False)
]
_PageSize = Annotated[int, typer.Option(min=1, max=100, metavar="1..100", help="How many.")]
_All = Annotated[bool, typer.Option("--all", help="All there are.")]
_Json = Annotated[bool, typer.Option("--json", help="Print each as a line of protobuf JSON.")]


@events.command("list")
def list_events(
    type_: _Type = "",
    user: _User = "",
    draft: _Draft = "",
    since: _Since = None,
    page_size: _PageSize = 30,
    everything: _All = False,
    json: _Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """List events."""
    wanted = _event_filter(type_, user, draft, since)

    async def read(client: EventClient) -> None:
        if everything:
            found, more = [each async for each in client.events(wanted)], ""
        else:
            page = await client.list_events(wanted, page_size=page_size)
            found, more = list(page.events), page.next_page_token
        _tell(found, view.event_lines, "no events", as_json=json, more=bool(more))

    CommandSession(persistence, PERSISTENCE).run_with(EventClient, read)


@events.command("stats")
def event_stats(
    type_: _Type = "",
    user: _User = "",
    draft: _Draft = "",
    since: _Since = None,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Count events by type."""
    wanted = _event_filter(type_, user, draft, since)

    async def read(client: EventClient) -> None:
        found = await client.stats(wanted)
        if json:
            say_json(found)
        else:
            say(*view.event_count_lines(found))

    CommandSession(persistence, PERSISTENCE).run_with(EventClient, read)


@metrics.command("list")
def list_metrics(
    type_: _Type = "",
    user: _User = "",
    since: _Since = None,
    page_size: _PageSize = 30,
    everything: _All = False,
    json: _Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """List metrics."""
    wanted = _metric_filter(type_, user, since)

    async def read(client: MetricClient) -> None:
        if everything:
            found, more = [each async for each in client.metrics(wanted)], ""
        else:
            page = await client.list_metrics(wanted, page_size=page_size)
            found, more = list(page.metrics), page.next_page_token
        _tell(found, view.metric_lines, "no metrics", as_json=json, more=bool(more))

    CommandSession(persistence, PERSISTENCE).run_with(MetricClient, read)


@metrics.command("stats")
def metric_stats(
    type_: _Type = "",
    user: _User = "",
    since: _Since = None,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Count metrics by type."""
    wanted = _metric_filter(type_, user, since)

    async def read(client: MetricClient) -> None:
        found = await client.stats(wanted)
        if json:
            say_json(found)
        else:
            say(*view.metric_count_lines(found))

    CommandSession(persistence, PERSISTENCE).run_with(MetricClient, read)


def _tell(
    found: Sequence[FoundT],
    lines: Callable[[Sequence[FoundT]], Iterable[str]],
    none: str,
    *,
    as_json: bool,
    more: bool,
) -> None:
    """What was found, and that there is more of it."""
    if as_json:
        for each in found:
            say_json(each)
    else:
        say(*lines(found) if found else [none])
    if more:
        complain("more: the same command with --all")


def _event_filter(type_: str, user: str, draft: str, since: str | None) -> event_service_pb2.EventFilter:
    data = struct_pb2.Struct()
    data.update({name: value for name, value in (("user_id", user), ("draft_id", draft)) if value})
    return event_service_pb2.EventFilter(
        types=[type_] if type_ else [],
        data=data if data.fields else None,
        occur_time_from=_stamp(inputs.back_from_now(since)),
    )


def _metric_filter(type_: str, user: str, since: str | None) -> metric_service_pb2.MetricFilter:
    return metric_service_pb2.MetricFilter(
        type=type_, user=user, create_time_from=_stamp(inputs.back_from_now(since))
    )


def _stamp(at: datetime | None) -> timestamp_pb2.Timestamp | None:
    if at is None:
        return None
    stamp = timestamp_pb2.Timestamp()
    stamp.FromDatetime(at)
    return stamp


def register(parent: typer.Typer) -> None:
    parent.add_typer(events, name="event", help="List and count events.")
    parent.add_typer(metrics, name="metric", help="List and count metrics.")
