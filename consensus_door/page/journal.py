"""A run's journal: its entries, and on a button the proof that nobody changed them."""

from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consensus.v1 import audit_service_pb2
from consensus_door.page.desk import Desk
from consensus_door.page.handlers import Form, of_own_form, shown
from consensus_door.page.journal_view import VerdictView, entry_view, verdict_view
from consensus_door.services.calling import Credential
from consensus_rpc.errors import PermissionDenied

_PAGE_SIZE = 50
_VERIFY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Shows the journal to those who may audit. Verifying changes nothing, so it is there read-only too."""

    desk: Desk

    def routes(self) -> list[Route]:
        """Its page, and the form on it: what costs work is begun by no link."""
        path = "/runs/{run_id}/journal"
        return [
            Route(path, shown(self.desk, self.entries)),
            Route(path, of_own_form(self.desk, self.verify, seconds=_VERIFY_SECONDS), methods=["POST"]),
        ]

    async def entries(self, request: Request) -> Response:
        """A page of entries, the newest first."""
        credential = self.desk.credential(request)
        return await self._page(request, credential, request.query_params.get("page_token", ""))

    async def verify(self, request: Request, _form: Form, credential: Credential) -> Response:
        """The newest entries, and above them what verifying all of them found."""
        try:
            verdict = await self._verdict(request.path_params["run_id"], credential)
        except PermissionDenied:
            return self._refused(request)
        return await self._page(request, credential, "", verdict)

    async def _page(
        self, request: Request, credential: Credential, page_token: str, verdict: VerdictView | None = None
    ) -> Response:
        run_id = request.path_params["run_id"]
        wanted = audit_service_pb2.ListAuditEntriesRequest(
            filter=audit_service_pb2.AuditFilter(stream=_stream(run_id)),
            page_size=_PAGE_SIZE,
            page_token=page_token,
        )
        try:
            answer = await self.desk.services.ask(wanted, credential)
        except PermissionDenied:
            return self._refused(request)
        token = answer.next_page_token
        values = {
            "run_id": run_id,
            "is_refused": False,
            "entries": [entry_view(each) for each in answer.entries],
            "verdict": verdict,
            "next": f"/runs/{run_id}/journal?{urlencode({'page_token': token})}" if token else "",
        }
        return self.desk.page(request, "journal.html", values)

    def _refused(self, request: Request) -> Response:
        values = {"run_id": request.path_params["run_id"], "is_refused": True}
        return self.desk.page(request, "journal.html", values, 403)

    async def _verdict(self, run_id: str, credential: Credential) -> VerdictView:
        """What the service finds; the head is read before, so that it is among what is verified."""
        stream = _stream(run_id)
        head = audit_service_pb2.StreamHead()
        exporting = audit_service_pb2.ExportAuditRequest(stream=stream)
        async with aclosing(self.desk.services.follow(exporting, credential)) as messages:
            async for message in messages:
                head = message.head  # the first; its entries are not wanted
                break
        verdict = audit_service_pb2.AuditVerdict()
        verifying = audit_service_pb2.VerifyAuditRequest(stream=stream)
        async with aclosing(self.desk.services.follow(verifying, credential)) as messages:
            async for message in messages:
                verdict = message.verdict
        return verdict_view(verdict, head)


def _stream(run_id: str) -> str:
    return f"runs/{run_id}"
