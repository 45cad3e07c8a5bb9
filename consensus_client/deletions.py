"""Asynchronous calls that delete, and that take a deletion back."""

from consensus.v1 import review_service_pb2, run_pb2
from consensus_client.calls import Calls
from consensus_client.requests import new_key


class DeletionCalls(Calls):
    """Calls about deletion."""

    async def delete_run(self, run_id: str, *, idempotency_key: str | None = None) -> run_pb2.Run:
        """Deletes a run that has ended, so that it can be restored; the deleted run."""
        request = review_service_pb2.DeleteRunRequest(run_id=run_id, idempotency_key=new_key(idempotency_key))
        return (await self._unary(self._stub.DeleteRun, request)).run

    async def undelete_run(self, run_id: str, *, idempotency_key: str | None = None) -> run_pb2.Run:
        """Restores a deleted run; the run as it stands afterwards."""
        key = new_key(idempotency_key)
        request = review_service_pb2.UndeleteRunRequest(run_id=run_id, idempotency_key=key)
        return (await self._unary(self._stub.UndeleteRun, request)).run

    async def delete_user_data(
        self, user: str, *, idempotency_key: str | None = None
    ) -> review_service_pb2.DeleteUserDataResponse:
        """Deletes a user's runs, drafts and metrics as one deletion; the runs must have ended."""
        key = new_key(idempotency_key)
        request = review_service_pb2.DeleteUserDataRequest(user=user, idempotency_key=key)
        return await self._unary(self._stub.DeleteUserData, request)

    async def undelete_user_data(
        self, deletion_id: str, *, idempotency_key: str | None = None
    ) -> review_service_pb2.UndeleteUserDataResponse:
        """Restores what went with one deletion."""
        key = new_key(idempotency_key)
        request = review_service_pb2.UndeleteUserDataRequest(deletion_id=deletion_id, idempotency_key=key)
        return await self._unary(self._stub.UndeleteUserData, request)
