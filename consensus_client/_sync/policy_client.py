# Made by `make sync` from consensus_client/_async/policy_client.py; never edited.
"""The synchronous client of PolicyService."""

from consensus.v1 import policy_pb2, policy_service_pb2, policy_service_pb2_grpc
from consensus_client._sync.service_client import SyncServiceClient
from consensus_client.requests import new_key
from consensus_client.sync_transport import Channel


class SyncPolicyClient(SyncServiceClient):
    """Puts, reads and lists policies; raises the errors of the contract.

    `target` is the persistence service.
    """

    def _attach(self, channel: Channel) -> None:
        self._stub = policy_service_pb2_grpc.PolicyServiceStub(channel)

    def put(
        self, policy: policy_pb2.Policy, *, user: str = "", idempotency_key: str | None = None
    ) -> policy_service_pb2.PutPolicyResponse:
        """Makes the policy current, under its id; its content is a JSON object."""
        request = policy_service_pb2.PutPolicyRequest(
            policy=policy, user=user, idempotency_key=new_key(idempotency_key)
        )
        return self._connection.call(self._stub.PutPolicy, request)

    def get(self, policy_id: str, revision: str = "") -> policy_pb2.Policy:
        """A policy, whole, in its current revision or in the one that begins so."""
        request = policy_service_pb2.GetPolicyRequest(policy_id=policy_id, revision=revision)
        return self._connection.call(self._stub.GetPolicy, request).policy

    def list_page(
        self, policy_id: str = "", *, page_size: int = 0, page_token: str = ""
    ) -> policy_service_pb2.ListPoliciesResponse:
        """A page of policies, or of the revisions of one; without content."""
        request = policy_service_pb2.ListPoliciesRequest(
            policy_id=policy_id, page_size=page_size, page_token=page_token
        )
        return self._connection.call(self._stub.ListPolicies, request)

    def lint(self, policy: policy_pb2.Policy) -> policy_service_pb2.LintPolicyResponse:
        """What is wrong with a policy; nothing is stored."""
        request = policy_service_pb2.LintPolicyRequest(policy=policy)
        return self._connection.call(self._stub.LintPolicy, request)
