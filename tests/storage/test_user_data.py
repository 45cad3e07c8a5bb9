"""All that belongs to a user goes as one deletion, and comes back as one."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from consensus.v1 import metric_service_pb2, metric_service_pb2_grpc
from consensus_contract.errors import DeletionNotFound, IdempotencyKeyReused, IllegalState
from persistence_service.database import EVERY_TENANT, Connection
from persistence_service.drafts.tables import DraftMemberRow, DraftRow, DraftSegmentRow, DraftTurnRow
from persistence_service.metrics.servicer import MetricServicer
from persistence_service.metrics.tables import MetricRow
from persistence_service.paging.tokens import Signing
from persistence_service.runs.form.tables import RunRow
from tests.support import deletion
from tests.support.deletion import call, delete, entries, finished, flaws, get, undelete
from tests.support.drafts import Drafts
from tests.support.records import Service, claim, scope, specification
from tests.support.serving import once_per_key, served

ANN = specification(user="ann")


@dataclass
class Everything:
    """One service's runs, drafts and metrics."""

    runs: Service
    drafts: Drafts
    metrics: Any

    async def store(self, user: str, *ids: str) -> None:
        metrics = [metric_service_pb2.MetricInput(metric_id=metric_id) for metric_id in ids]
        request = metric_service_pb2.StoreMetricsRequest(metrics=metrics, user=user)
        await self.metrics.StoreMetrics(request)

    async def standing(self) -> tuple[set[str], set[str], set[str]]:
        """The ids of all runs, of ann's and ben's drafts, and of all metrics."""
        drafts = {
            draft.draft_id
            for user in ("ann", "ben")
            for draft in (await self.drafts.call("ListDrafts", user=user)).drafts
        }
        listed = await self.metrics.ListMetrics(metric_service_pb2.ListMetricsRequest())
        return set(await deletion.listed(self.runs)), drafts, {each.metric_id for each in listed.metrics}

    async def delete(self, user: str = "ann", **fields: Any) -> Any:
        return await call(self.runs, "DeleteUserData", user=user, **fields)

    async def delete_times(self, deletion_id: str) -> set[datetime | None]:
        """When what went with a deletion went, of every kind and part."""

        def find(connection: Connection) -> set[datetime | None]:
            marked = (RunRow, MetricRow, DraftRow, DraftSegmentRow, DraftTurnRow, DraftMemberRow)
            return {
                at
                for row in marked
                for at in connection.scalars(select(row.delete_time).where(row.deletion_id == deletion_id))
            }

        return await self.runs.database.run(find, read_only=True, tenant=EVERY_TENANT)

    async def undelete(self, deletion_id: str, **fields: Any) -> Any:
        return await call(self.runs, "UndeleteUserData", deletion_id=deletion_id, **fields)


@pytest.fixture
async def everything(service: Service) -> AsyncIterator[Everything]:
    database = service.database
    servicer = MetricServicer(database, Signing(database), once_per_key(database))
    async with (
        Drafts(database) as drafts,
        served(metric_service_pb2_grpc.add_MetricServiceServicer_to_server, servicer) as channel,
    ):
        yield Everything(service, drafts, metric_service_pb2_grpc.MetricServiceStub(channel))


def counts(answer: Any) -> tuple[int, int, int]:
    return answer.run_count, answer.draft_count, answer.metric_count


async def filled(everything: Everything) -> tuple[str, str]:
    """A run, a draft and two metrics of ann's, one of each of ben's; the ids of the runs."""
    ann = await finished(everything.runs, specification=ANN)
    ben = await finished(everything.runs, specification=specification(user="ben"))
    await everything.drafts.create("of-ann", user="ann", first_segment="mine")
    await everything.drafts.create("of-ben", user="ben", first_segment="his")
    await everything.drafts.add("of-ben", "ann", user="ben")
    await everything.store("ann", "m1", "m2")
    await everything.store("ben", "m3")
    return ann, ben


async def test_all_that_is_the_users_goes_and_nothing_else(everything: Everything) -> None:
    ann, ben = await filled(everything)
    answer = await everything.delete()
    assert counts(answer) == (1, 1, 2)
    assert await everything.standing() == ({ben}, {"of-ben"}, {"m3"})
    assert (await get(everything.runs, ann)).deletion_id == answer.deletion_id
    draft = await everything.drafts.get("of-ann", show_deleted=True)
    assert draft.deletion_id == answer.deletion_id
    asked = metric_service_pb2.GetMetricRequest(metric_id="m1", show_deleted=True)
    assert (await everything.metrics.GetMetric(asked)).metric.deletion_id == answer.deletion_id
    assert await flaws(everything.runs.database) == []


async def test_undeleting_restores_exactly_what_went(everything: Everything) -> None:
    ann, _ = await filled(everything)
    earlier = await finished(everything.runs, specification=ANN)
    await delete(everything.runs, earlier)
    await everything.drafts.create("earlier", user="ann")
    await everything.drafts.call("DeleteDraft", draft_id="earlier", user="ann")
    before = await everything.standing()
    answer = await everything.delete()
    assert counts(answer) == (1, 1, 2)
    assert len(await everything.delete_times(answer.deletion_id)) == 1
    assert counts(await everything.undelete(answer.deletion_id)) == (1, 1, 2)
    assert await everything.standing() == before
    assert (await everything.drafts.get("of-ann")).segment_count == 1
    assert (await get(everything.runs, earlier)).HasField("delete_time")
    assert (await get(everything.runs, ann, show_deleted=False)).persona_reviews
    assert await flaws(everything.runs.database) == []


async def test_what_was_restored_by_itself_or_stored_again_is_left_alone(everything: Everything) -> None:
    ann, _ = await filled(everything)
    answer = await everything.delete()
    await undelete(everything.runs, ann)
    await everything.store("cat", "m1")
    assert counts(await everything.undelete(answer.deletion_id)) == (0, 1, 1)
    with pytest.raises(DeletionNotFound):
        await everything.undelete(answer.deletion_id)


async def test_while_a_run_has_not_ended_nothing_goes_and_all_such_runs_are_named(
    everything: Everything,
) -> None:
    await filled(everything)
    async with everything.runs.created(specification=ANN) as first:
        async with everything.runs.created(specification=ANN) as second:
            before = await everything.standing()
            with pytest.raises(IllegalState) as refusal:
                await everything.delete(idempotency=claim("k"))
            named = refusal.value.metadata["run_ids"].split(",")
            assert set(named) == {first.run_id, second.run_id}
            assert await everything.standing() == before
            await second.finish()
        with pytest.raises(IllegalState) as refusal:
            await everything.delete(idempotency=claim("k"))
        assert refusal.value.run_id == first.run_id
        await everything.runs.cancel(first.run_id)
    assert counts(await everything.delete(idempotency=claim("k"))) == (3, 1, 2)


async def test_a_user_who_has_nothing_leaves_no_deletion(everything: Everything) -> None:
    await filled(everything)
    answer = await everything.delete("nobody")
    assert (answer.deletion_id, *counts(answer)) == ("", 0, 0, 0)
    assert (await everything.delete("ann", scope=scope("other"))).deletion_id == ""


async def test_the_same_key_deletes_once_and_answers_alike(everything: Everything) -> None:
    await filled(everything)
    first = await everything.delete(idempotency=claim("k"))
    await everything.undelete(first.deletion_id, idempotency=claim("k"))
    assert await everything.delete(idempotency=claim("k")) == first
    assert (await everything.standing())[1] == {"of-ann", "of-ben"}
    with pytest.raises(IdempotencyKeyReused):
        await everything.delete(idempotency=claim("k", b"x"))


async def test_four_who_delete_at_once_make_one_deletion(
    everything: Everything, second_service: Service
) -> None:
    await filled(everything)
    answers = await asyncio.gather(
        *(call(each, "DeleteUserData", user="ann") for each in (everything.runs, second_service) * 2)
    )
    assert sorted(counts(answer) for answer in answers) == [(0, 0, 0)] * 3 + [(1, 1, 2)]
    assert await flaws(everything.runs.database) == []


async def test_each_run_draft_and_batch_of_metrics_has_its_entry(everything: Everything) -> None:
    ann, _ = await filled(everything)
    answer = await everything.delete()
    database = everything.runs.database
    of_deletion = {"deletion_id": answer.deletion_id}
    assert entries(database, f"runs/{ann}")[-1] == ("run.deleted", of_deletion)
    assert entries(database, "drafts/of-ann")[-1] == ("draft.deleted", of_deletion)
    assert entries(database, "metrics/default")[-1] == ("metric.deleted", {"count": 2, **of_deletion})
