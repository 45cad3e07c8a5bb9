"""Words that a list of runs is searched for: found whatever their case, in no more pages than are bounded."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from consensus.v1 import review_service_pb2, run_pb2
from consensus_door.page.run_list import read_runs
from consensus_door.services.calling import Credential
from consensus_rpc.errors import InvalidField


@dataclass
class Pages:
    """Services that have a page of ideas for each token, and after the last of them no more."""

    pages: list[list[str]]
    asked: list[review_service_pb2.ListRunsRequest] = field(default_factory=list)

    async def ask(
        self, request: review_service_pb2.ListRunsRequest, _credential: Credential
    ) -> review_service_pb2.ListRunsResponse:
        asked = review_service_pb2.ListRunsRequest()
        asked.CopyFrom(request)
        self.asked.append(asked)
        number = int(request.page_token or "0")
        runs = [run_pb2.Run(specification=run_pb2.RunSpecification(idea=idea)) for idea in self.pages[number]]
        more = str(number + 1) if number + 1 < len(self.pages) else ""
        return review_service_pb2.ListRunsResponse(runs=runs, next_page_token=more)


async def found(services: Any, **query: str) -> tuple[list[str], str, int]:
    read = await read_runs(services, Credential(), query)
    return [each.specification.idea for each in read.runs], read.next_page_token, read.looked_at


async def test_words_are_found_whatever_their_case_and_beside_other_conditions() -> None:
    services = Pages([["A ward's tasks", "Reminders"], ["TASKS of a day", "Else"]])
    assert await found(services, search=" Tasks ", user="ann") == (
        ["A ward's tasks", "TASKS of a day"],
        "",
        4,
    )
    assert {each.filter.user for each in services.asked} == {"ann"}


async def test_a_page_of_the_list_looks_through_so_many_pages_and_the_next_goes_on_there() -> None:
    services = Pages([["nothing"]] * 12)
    assert await found(services, search="tasks") == ([], "10", 10)
    assert await found(services, search="tasks", page_token="10") == ([], "", 2)


async def test_it_ends_where_there_are_enough() -> None:
    assert (await found(Pages([["tasks"] * 40] * 2), search="tasks"))[1:] == ("1", 40)


async def test_without_words_the_services_page_is_the_pages() -> None:
    assert await found(Pages([["one"], ["two"]])) == (["one"], "1", 0)


async def test_a_day_is_meant_from_its_first_moment_to_its_last() -> None:
    services = Pages([[]])
    await found(services, create_time_from="2026-01-30", create_time_to="2026-01-31")
    asked = services.asked[0].filter
    assert asked.create_time_from.ToJsonString() == "2026-01-30T00:00:00Z"
    assert asked.create_time_to.ToJsonString() == "2026-01-31T23:59:59.999999Z"


async def test_what_is_no_condition_is_refused() -> None:
    for query in ({"search": "x" * 201}, {"words": "x"}):
        with pytest.raises(InvalidField):
            await found(Pages([[]]), **query)
