"""The runs that a list is to show: a page, all of them, or those whose words match."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from consensus.v1 import run_pb2
from consensus_client import ReviewClient, RunQuery
from consensus_client.matching import is_about
from consensus_contract.sizes import MAX_PAGE_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class RunList:
    """What is to be listed; `words` are looked for in what was reviewed, without regard to case."""

    query: RunQuery
    is_whole: bool = False
    page_size: int
    page_token: str = ""
    words: str = ""
    show_deleted: bool = False

    async def read(self, client: ReviewClient) -> tuple[list[run_pb2.Run], str]:
        """The runs, newest first, and how to get more; empty where there are no more."""
        if self.is_whole:
            return [run async for run in self._matching(client)], ""
        if not self.words:
            page = await client.list_runs(
                self.query,
                page_size=self.page_size,
                page_token=self.page_token,
                show_deleted=self.show_deleted,
            )
            return list(page.runs), f"--page-token {page.next_page_token}" if page.next_page_token else ""
        found: list[run_pb2.Run] = []
        async for run in self._matching(client):
            if len(found) == self.page_size:
                return found, "--all"
            found.append(run)
        return found, ""

    async def _matching(self, client: ReviewClient) -> AsyncIterator[run_pb2.Run]:
        async for run in client.runs(self.query, page_size=MAX_PAGE_SIZE, show_deleted=self.show_deleted):
            if is_about(run, self.words):
                yield run
