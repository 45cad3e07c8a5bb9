"""Pages of a comparison: of its lines, in the order of the sections; the rest stands on every page. Pure."""

import hashlib
import re
from collections.abc import Sequence

from consensus.v1 import review_service_pb2
from consensus_rpc.errors import InvalidPageToken

DEFAULT_PAGE_SIZE = 30
_TOKEN = re.compile(r"([0-9]{1,9})\.([0-9a-f]{32})")


def diff_page(
    whole: review_service_pb2.DiffRunsResponse, binding: Sequence[str], page_size: int, page_token: str
) -> review_service_pb2.DiffRunsResponse:
    """One page of a comparison; `binding` is what its tokens are bound to, beside the lines themselves.

    The same lines are made by every replica from the same runs, so that a token holds a count of lines, and
    proves that it was counted in these.

    Raises:
        InvalidPageToken: malformed, of other runs, or of these before a proposal was recorded.
    """
    mark = _mark(whole, binding)
    first = _position(mark, page_token) if page_token else 0
    last = first + (page_size or DEFAULT_PAGE_SIZE)
    page = review_service_pb2.DiffRunsResponse()
    page.CopyFrom(whole)
    begin = 0
    for section in page.sections:
        lines = list(section.unified_diff_lines)
        del section.unified_diff_lines[:]
        section.unified_diff_lines.extend(lines[max(0, first - begin) : max(0, last - begin)])
        begin += len(lines)
    if last < begin:
        page.next_page_token = _token(mark, last)
    return page


def _mark(whole: review_service_pb2.DiffRunsResponse, binding: Sequence[str]) -> bytes:
    digest = hashlib.sha256("\0".join(binding).encode())
    for section in whole.sections:
        for line in section.unified_diff_lines:
            digest.update(b"\0" + line.encode())
    return digest.digest()


def _token(mark: bytes, position: int) -> str:
    return f"{position}.{hashlib.sha256(mark + str(position).encode()).hexdigest()[:32]}"


def _position(mark: bytes, token: str) -> int:
    found = _TOKEN.fullmatch(token)
    if found is None or _token(mark, int(found[1])) != token:
        raise InvalidPageToken
    return int(found[1])
