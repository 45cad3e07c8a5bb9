"""Reviews page by page, and exports of runs."""

from typing import Any

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import run_pb2
from consensus_contract.errors import RunNotFound
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidPageToken
from persistence_service.paging.tokens import Signing
from persistence_service.runs.read import exporting, repository
from tests.support.records import PERSONAS, Service, scope


async def finished(service: Service) -> str:
    async with service.created() as worker:
        await worker.finish()
        return worker.run_id


async def reviews_page(service: Service, run_id: str, size: int = 0, token: str = "") -> Any:
    request = persistence_service_pb2.ListPersonaReviewsRequest(
        scope=scope(), run_id=run_id, page_size=size, page_token=token
    )
    with contract_errors():
        return await service.stub.ListPersonaReviews(request)


async def test_reviews_are_listed_in_persona_order_page_by_page(service: Service) -> None:
    run_id = await finished(service)
    first = await reviews_page(service, run_id, 3)
    second = await reviews_page(service, run_id, 3, first.next_page_token)
    found = [*first.persona_reviews, *second.persona_reviews]
    assert [each.persona_id for each in found] == list(PERSONAS)
    assert found == list((await service.run(run_id)).persona_reviews)
    assert second.next_page_token == ""


async def test_a_token_of_another_runs_reviews_is_refused(service: Service) -> None:
    token = (await reviews_page(service, await finished(service), 1)).next_page_token
    with pytest.raises(InvalidPageToken):
        await reviews_page(service, await finished(service), 1, token)


async def test_reviews_of_an_unknown_run_are_not_found(service: Service) -> None:
    with pytest.raises(RunNotFound):
        await reviews_page(service, "none")


async def export(service: Service, token: str = "", **wanted: Any) -> list[Any]:
    request = persistence_service_pb2.ExportRunsRequest(
        scope=scope(), filter=run_pb2.RunFilter(**wanted), page_token=token
    )
    with contract_errors():
        return [answer async for answer in service.stub.ExportRuns(request)]


async def test_large_runs_are_read_as_they_are_taken(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [(await service.queued()).run_id for _ in range(3)]
    read: list[str] = []
    find_run = repository.find_run

    def counted(connection: Any, tenant: str, run_id: str, **shown: Any) -> Any:
        read.append(run_id)
        return find_run(connection, tenant, run_id, **shown)

    monkeypatch.setattr(repository, "find_run", counted)
    monkeypatch.setattr(exporting, "BYTES_PER_READ", 1)
    reader, signer = service.runs.reader, await Signing(service.database).signer()
    request = persistence_service_pb2.ExportRunsRequest(scope=scope())
    seen = []
    async for answer in exporting.export_runs(reader, signer, request):
        seen.append(answer.run.run_id)
        assert read == seen
    assert seen == runs[::-1]


async def test_an_export_has_all_runs_newest_first_over_any_number_of_reads(service: Service) -> None:
    runs = [(await service.queued()).run_id for _ in range(45)]
    assert [answer.run.run_id for answer in await export(service)] == runs[::-1]


async def test_an_export_has_runs_whole_and_keeps_to_its_filter(service: Service) -> None:
    run_id = await finished(service)
    await service.queued()
    (answer,) = await export(service, state=run_pb2.RUN_STATE_COMPLETED)
    assert answer.run == await service.run(run_id)


async def test_an_export_goes_on_after_the_run_whose_token_it_is_given(service: Service) -> None:
    runs = [(await service.queued()).run_id for _ in range(5)]
    whole = await export(service)
    await service.queued()
    rest = await export(service, whole[1].page_token)
    assert [answer.run.run_id for answer in rest] == runs[2::-1]


async def test_a_token_of_another_export_is_refused(service: Service) -> None:
    await service.queued()
    (answer,) = await export(service)
    with pytest.raises(InvalidPageToken):
        await export(service, answer.page_token, user="u-2")
