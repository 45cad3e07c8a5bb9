"""Keys as callers use them: who they are, what is refused, when they end, and what is kept of it."""

import asyncio
import json
import os
import subprocess
import time
from datetime import timedelta
from typing import Any

import grpc
import pytest

from consensus.internal.v1 import persistence_service_pb2, persistence_service_pb2_grpc
from consensus.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    draft_service_pb2,
    draft_service_pb2_grpc,
    review_service_pb2,
    review_service_pb2_grpc,
)
from consensus_client import AccessClient, ClientOptions, IdentityClient, ReviewClient
from consensus_contract.errors import AccessKeyNotFound, BeyondOwnRights, ConsensusError
from consensus_rpc.channel.bearer import Bearer
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import CredentialEnded, PermissionDenied, Unauthenticated, UserNotAllowed
from tests.support.access import bearer
from tests.support.pair import Pair, review_request
from tests.support.processes import clean_environment, run_command

IDEA = "A rota lets two wards swap shifts on one page, and it is done when a swap takes under a minute."
Keys = dict[str, str]


def options(key: str) -> ClientOptions:
    return ClientOptions(bearer=Bearer(key))


async def outcome(call: Any) -> ConsensusError | None:
    """What a call fails with."""
    try:
        with contract_errors():
            await call
    except ConsensusError as error:
        return error
    return None


async def read_all(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def get_run(pair: Pair, metadata: tuple[tuple[str, str], ...], run_id: str = "r-1") -> Any:
    async with open_channel(pair.review_address) as channel:
        stub: Any = review_service_pb2_grpc.ReviewServiceStub(channel)
        request = review_service_pb2.GetRunRequest(run_id=run_id)
        return await outcome(stub.GetRun(request, metadata=metadata, timeout=10))


async def test_both_services_say_who_calls(keyed: Pair, keys: Keys) -> None:
    for address in (keyed.review_address, keyed.persistence_address):
        async with IdentityClient(address, options(keys["ann"])) as client:
            who = await client.who_am_i()
        assert (who.tenant, who.caller, who.users.user) == ("default", "bot", "ann")
        assert list(who.scopes) == ["read", "submit"]
        assert who.credential_id == keys["ann"].split("_")[1]


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", "Bearer "),),
        (("authorization", "Basic dXNlcjpwYXNz"),),
        (("authorization", "Bearer ck_short_x"),),
        (("authorization", "Bearer ck_0123456789abcdef_" + "A" * 43),),
        (("authorization", "Bearer " + "x" * 8000),),
        (("authorization", "Bearer eyJhbGciOiJub25lIn0.e30."),),
    ],
    ids=["none", "empty", "basic", "malformed", "guessed", "huge", "a token where none are taken"],
)
async def test_what_is_no_credential_is_refused(keyed: Pair, metadata: Any) -> None:
    error = await get_run(keyed, metadata)
    assert type(error) is Unauthenticated


async def test_a_key_with_another_secret_is_refused_as_one_that_never_was(keyed: Pair, keys: Keys) -> None:
    guessed = keys["admin"][:20] + "B" * 43
    found = [await get_run(keyed, bearer(key)) for key in (guessed, "ck_0123456789abcdef_" + "B" * 43)]
    assert [type(each) for each in found] == [Unauthenticated, Unauthenticated]
    assert found[0].message == found[1].message
    assert found[0].metadata.keys() == found[1].metadata.keys()


async def test_two_credentials_are_none(keyed: Pair, keys: Keys) -> None:
    error = await get_run(keyed, bearer(keys["viewer"]) + bearer(keys["admin"]))
    assert type(error) is Unauthenticated


async def test_a_whole_review_runs_with_keys(keyed: Pair, keys: Keys) -> None:
    async with ReviewClient(keyed.review_address, options(keys["submitter"])) as client:
        events = [event async for event in client.review(IDEA)]
        run = await client.get_run(events[0].run_id)
    assert run.caller == "submitter"
    async with ReviewClient(keyed.review_address, options(keys["other"])) as stranger:
        with pytest.raises(ConsensusError) as unknown:
            await stranger.get_run("never-was")
        with pytest.raises(ConsensusError) as foreign:
            await stranger.get_run(run.run_id)
    assert foreign.value.reason_name == unknown.value.reason_name == "RUN_NOT_FOUND"
    assert foreign.value.message.replace(run.run_id, "x") == unknown.value.message.replace("never-was", "x")


@pytest.mark.parametrize(
    ("key", "user", "is_allowed"),
    [
        ("ann", "ann", True),
        ("ann", "bob", False),
        ("ann", "", False),
        ("ann", "anna", False),
        ("team", "team/x", True),
        ("team", "other/x", False),
        ("team", "", False),
        ("submitter", "anybody", True),
        ("submitter", "", True),
    ],
)
async def test_a_credential_acts_for_its_users_alone(
    keyed: Pair, keys: Keys, key: str, user: str, is_allowed: bool
) -> None:
    async with open_channel(keyed.review_address) as channel:
        stub: Any = review_service_pb2_grpc.ReviewServiceStub(channel)
        request = review_service_pb2.StartReviewRequest(review=review_request(IDEA).review)
        request.review.user = user
        error = await outcome(stub.StartReview(request, metadata=bearer(keys[key]), timeout=10))
    assert error is None if is_allowed else type(error) is UserNotAllowed


async def test_a_stored_answer_is_not_repeated_to_whom_it_is_not_for(keyed: Pair, keys: Keys) -> None:
    """Both keys are of one subject, so that their idempotency keys are the same."""
    request = draft_service_pb2.CreateDraftRequest(user="ann", title="t", idempotency_key="replayed")
    async with open_channel(keyed.persistence_address) as channel:
        stub: Any = draft_service_pb2_grpc.DraftServiceStub(channel)
        assert await outcome(stub.CreateDraft(request, metadata=bearer(keys["ann"]), timeout=10)) is None
        error = await outcome(stub.CreateDraft(request, metadata=bearer(keys["team"]), timeout=10))
    assert type(error) is UserNotAllowed


async def test_only_who_may_assert_names_a_tenant_in_fields(keyed: Pair, keys: Keys) -> None:
    request = persistence_service_pb2.GetRunRequest(
        scope=persistence_service_pb2.CallScope(tenant="default", caller="x"), run_id="r-1"
    )
    async with open_channel(keyed.internal_address) as channel:
        stub: Any = persistence_service_pb2_grpc.PersistenceServiceStub(channel)
        for key in ("admin", "other"):
            error = await outcome(stub.GetRun(request, metadata=bearer(keys[key]), timeout=10))
            assert type(error) is PermissionDenied


async def test_nobody_makes_a_key_that_may_more_than_its_maker(keyed: Pair, keys: Keys) -> None:
    async with AccessClient(keyed.persistence_address, options(keys["admin"])) as client:
        for role in ("service", "operator"):
            with pytest.raises(BeyondOwnRights):
                await client.create("thief", [role])
        made = await client.create("narrow", ["viewer"])
        assert made.secret.startswith(f"ck_{made.key.key_id}_")
        listed = await client.list_page(page_size=100)
        assert made.secret.split("_", 2)[2] not in str(listed)
    async with AccessClient(keyed.persistence_address, options(keys["other"])) as stranger:
        assert {key.tenant for key in (await stranger.list_page(page_size=100)).keys} == {"other"}
        with pytest.raises(AccessKeyNotFound):
            await stranger.revoke(made.key.key_id)
        with pytest.raises(AccessKeyNotFound):
            await stranger.rotate(made.key.key_id)


async def test_a_key_is_shown_once(keyed: Pair, keys: Keys) -> None:
    async with AccessClient(keyed.persistence_address, options(keys["admin"])) as client:
        first = await client.create("once", ["viewer"], idempotency_key="once")
        again = await client.create("once", ["viewer"], idempotency_key="once")
    assert first.secret
    assert not again.secret
    assert first.key.key_id == again.key.key_id


async def test_a_rotated_key_overlaps_and_a_revoked_one_ends(keyed: Pair, keys: Keys) -> None:
    async with AccessClient(keyed.persistence_address, options(keys["admin"])) as client:
        old = await client.create("turning", ["viewer"])
        new = await client.rotate(old.key.key_id)
        assert new.key.subject == "turning"
        for key in (old.secret, new.secret):
            assert type(await get_run(keyed, bearer(key))).__name__ == "RunNotFound"
        await client.revoke(old.key.key_id)
        await asyncio.sleep(1.5)  # what is believed of a key, in this pair
        assert type(await get_run(keyed, bearer(old.secret))) is CredentialEnded
        assert type(await get_run(keyed, bearer(new.secret))).__name__ == "RunNotFound"


async def test_no_key_makes_one_that_outlasts_it(keyed: Pair, keys: Keys) -> None:
    async with AccessClient(keyed.persistence_address, options(keys["admin"])) as client:
        brief = await client.create("brief", ["admin"], ttl=timedelta(hours=1))
        ends = brief.key.expire_time.ToMicroseconds()
        assert not (await client.create("lasting", ["viewer"])).key.HasField("expire_time")
    async with AccessClient(keyed.persistence_address, options(brief.secret)) as client:
        made: list[Any] = [
            await client.rotate(brief.key.key_id),
            await client.rotate(brief.key.key_id, ttl=timedelta(days=30)),
            await client.create("lasting", ["viewer"]),
            await client.create("lasting", ["viewer"], ttl=timedelta(days=30)),
        ]
        shorter = await client.create("shorter", ["viewer"], ttl=timedelta(minutes=1))
    assert [each.key.expire_time.ToMicroseconds() for each in made] == [ends] * 4
    assert shorter.key.expire_time.ToMicroseconds() < ends


async def test_a_run_that_is_another_users_is_not_changed(keyed: Pair, keys: Keys) -> None:
    """Who is bound to a user may not act for another, though the request names the run alone."""
    async with open_channel(keyed.review_address) as channel:
        stub: Any = review_service_pb2_grpc.ReviewServiceStub(channel)

        async def started(user: str) -> str:
            request = review_service_pb2.StartReviewRequest(review=review_request(IDEA, user=user).review)
            answer = await stub.StartReview(request, metadata=bearer(keys["submitter"]), timeout=10)
            return str(answer.run.run_id)

        async def said(call: Any, request: Any, key: str) -> str:
            error = await outcome(call(request, metadata=bearer(keys[key]), timeout=10))
            return error.reason_name if error else "OK"

        of = {user: await started(user) for user in ("ann", "bob", "team/x", "")}
        of["nobody"] = "never-was"
        found = {}
        for key in ("ann", "team", "submitter"):
            for user, run_id in of.items():
                resume = review_service_pb2.ResumeRunRequest(run_id=run_id)
                found[key, user] = await said(stub.ResumeRun, resume, key)
        denied = {pair for pair, reason in found.items() if reason == "USER_NOT_ALLOWED"}
        assert denied == {("ann", "bob"), ("ann", "team/x"), ("ann", ""), ("team", "ann"), ("team", "bob"),
                          ("team", "")}  # fmt: skip
        assert {found[key, "nobody"] for key in ("ann", "team", "submitter")} == {"RUN_NOT_FOUND"}
        for method in ("CancelRun", "DeleteRun", "UndeleteRun"):
            request = getattr(review_service_pb2, f"{method}Request")(run_id=of["bob"])
            assert await said(getattr(stub, method), request, "own") == "USER_NOT_ALLOWED"
            assert await said(getattr(stub, method), request, "admin") != "USER_NOT_ALLOWED"


async def entered(pair: Pair, keys: Keys, caller: str) -> list[audit_service_pb2.AuditEntry]:
    """What the audit trail of the tenant `other` has of a caller's denied calls, once it has anything.

    Of that tenant, since no other test uses up its share of entries.
    """
    listing = audit_service_pb2.ListAuditEntriesRequest(page_size=100)
    listing.filter.stream = "security/other"
    async with open_channel(pair.persistence_address) as channel, asyncio.timeout(15):
        stub: Any = audit_service_pb2_grpc.AuditServiceStub(channel)
        while True:
            answer = await stub.ListAuditEntries(listing, metadata=bearer(keys["other"]))
            if found := [each for each in answer.entries if each.caller == caller]:
                return found
            await asyncio.sleep(0.2)


async def test_what_a_run_refuses_stands_in_the_audit_trail(keyed: Pair, keys: Keys) -> None:
    async with AccessClient(keyed.persistence_address, options(keys["other"])) as access:
        bound = await access.create("ann", ["admin"], user="ann")
    async with open_channel(keyed.review_address) as channel:
        stub: Any = review_service_pb2_grpc.ReviewServiceStub(channel)
        request = review_service_pb2.StartReviewRequest(review=review_request(IDEA, user="bob").review)
        started = await stub.StartReview(request, metadata=bearer(keys["other"]), timeout=10)
        cancel = review_service_pb2.CancelRunRequest(run_id=started.run.run_id)
        refused = await outcome(stub.CancelRun(cancel, metadata=bearer(bound.secret), timeout=10))
    assert type(refused) is UserNotAllowed
    (entry,) = await entered(keyed, keys, "ann")
    assert entry.event_type == "call.denied"
    assert "CancelRun" in str(entry)


async def test_a_stream_ends_soon_after_its_key_is_revoked(keyed: Pair, keys: Keys) -> None:
    async with (
        AccessClient(keyed.persistence_address, options(keys["admin"])) as client,
        open_channel(keyed.persistence_address) as channel,
    ):
        made = await client.create("watching", ["submitter"])
        stub: Any = draft_service_pb2_grpc.DraftServiceStub(channel)
        create = draft_service_pb2.CreateDraftRequest(user="ann", title="watched")
        draft = (await stub.CreateDraft(create, metadata=bearer(made.secret))).draft
        watch = stub.WatchDraft(
            draft_service_pb2.WatchDraftRequest(draft_id=draft.draft_id), metadata=bearer(made.secret)
        )
        await watch.read()
        await client.revoke(made.key.key_id)
        began = time.monotonic()
        assert type(await outcome(read_all(watch))) is CredentialEnded
        assert time.monotonic() - began < 30


async def test_a_stream_ends_once_its_key_expires(keyed: Pair, keys: Keys) -> None:
    async with (
        AccessClient(keyed.persistence_address, options(keys["admin"])) as client,
        open_channel(keyed.persistence_address) as channel,
    ):
        made = await client.create("fleeting", ["submitter"], ttl=timedelta(seconds=3))
        stub: Any = draft_service_pb2_grpc.DraftServiceStub(channel)
        create = draft_service_pb2.CreateDraftRequest(user="ann", title="watched")
        draft = (await stub.CreateDraft(create, metadata=bearer(made.secret))).draft
        watch = stub.WatchDraft(
            draft_service_pb2.WatchDraftRequest(draft_id=draft.draft_id), metadata=bearer(made.secret)
        )
        assert type(await outcome(read_all(watch))) is CredentialEnded
    assert type(await get_run(keyed, bearer(made.secret))) is CredentialEnded


async def test_of_many_denials_ten_stand_in_the_audit_trail(keyed: Pair, keys: Keys) -> None:
    async with AccessClient(keyed.persistence_address, options(keys["other"])) as access:
        made = await access.create("curious", ["viewer"])
    async with open_channel(keyed.review_address) as channel:
        stub: Any = review_service_pb2_grpc.ReviewServiceStub(channel)
        for _ in range(50):
            cancel = stub.CancelRun(
                review_service_pb2.CancelRunRequest(run_id="r-1"), metadata=bearer(made.secret)
            )
            assert type(await outcome(cancel)) is PermissionDenied
    await entered(keyed, keys, "curious")
    await asyncio.sleep(1)
    found = await entered(keyed, keys, "curious")
    assert {each.event_type for each in found} == {"call.denied"}
    assert len(found) <= 2 * 10  # ten in each minute, of one process
    assert not any(key.split("_", 2)[2] in str(found) for key in (*keys.values(), made.secret) if key)


def test_the_command_makes_tries_and_ends_a_key(keyed: Pair, keys: Keys) -> None:
    def consensus(*words: str, key: str = keys["admin"]) -> subprocess.CompletedProcess[str]:
        environment = clean_environment(
            CONSENSUS_SERVER=keyed.review_address,
            CONSENSUS_PERSISTENCE=keyed.persistence_address,
            **({"CONSENSUS_KEY": key} if key else {}),
        )
        return run_command(*words, environment=environment)

    made = consensus("token", "create", "billing", "--role", "viewer", "--note", "for a test").stdout.strip()
    assert made.startswith("ck_")
    assert "billing" in consensus("token", "whoami", key=made).stdout
    assert made.split("_")[1] in consensus("token", "list").stdout
    refused = consensus("runs", key="")
    assert (refused.returncode, "--key-file" in refused.stderr) == (1, True)
    assert consensus("token", "create", "x", "--role", "viewer", key=made).returncode == 1
    assert consensus("token", "revoke", made.split("_")[1]).returncode == 0


def test_no_key_is_sent_in_plain_text_beyond_this_machine(keys: Keys) -> None:
    environment = clean_environment(CONSENSUS_SERVER="192.0.2.1:50051", CONSENSUS_KEY="ck_x")
    done = run_command("runs", environment=environment)
    assert done.returncode == 2
    assert "plain text" in done.stderr
    assert "ck_x" not in done.stderr


def test_no_secret_stands_in_a_log(keyed: Pair, keys: Keys) -> None:
    secrets = [key.split("_", 2)[2] for key in keys.values() if key]
    for process in (keyed.review, keyed.persistence):
        assert process is not None
        said = process.logged()
        assert not any(secret in said for secret in secrets)
        assert json.dumps("PERSISTENCE_KEY") in said or process is keyed.persistence
    assert os.environ.get("CONSENSUS_KEY") is None
