"""Requests from plain arguments: pure."""

from consensus.v1 import review_service_pb2
from consensus_client.requests import merge_pages, submit_request


def test_a_submission_names_draft_user_and_context() -> None:
    request = submit_request("d1", "ann", {"budget": 3}, None)
    assert (request.draft_id, request.user) == ("d1", "ann")
    assert dict(request.context.object) == {"budget": 3}
    assert submit_request("d1", "ann", None, None) == review_service_pb2.SubmitDraftRequest(
        draft_id="d1", user="ann"
    )


def compared(*lines: str, next_page_token: str = "") -> review_service_pb2.DiffRunsResponse:
    section = review_service_pb2.ProposalSectionDiff(section="summary", unified_diff_lines=lines)
    return review_service_pb2.DiffRunsResponse(sections=[section], next_page_token=next_page_token)


def test_pages_become_one_comparison() -> None:
    assert merge_pages([compared("-a", "+b", next_page_token="t"), compared("+more")]) == compared(
        "-a", "+b", "+more"
    )
