"""Who reviews, and by which policy: what a request names is looked up, and pinned in the run."""

import asyncio
from dataclasses import replace

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import policy_pb2, review_service_pb2, run_pb2
from consensus_decision.policies import DEFAULT_POLICY_ID
from review_service.intake.panels import (
    ChosenPanel,
    check_policy_of,
    inline_panel,
    named_panel,
    panel_of_run,
    stored_panel,
)
from review_service.record.gateway import Caller, PersistenceGateway


class Chooser:
    """Finds the panel that a request chooses, and its policy."""

    def __init__(self, gateway: PersistenceGateway, built_in: ChosenPanel) -> None:
        self._gateway = gateway
        self._built_in = built_in

    async def choose(
        self,
        caller: Caller,
        options: review_service_pb2.ReviewOptions,
        claim: persistence_service_pb2.IdempotencyClaim | None,
        parent: run_pb2.Run | None = None,
        *,
        field: str = "options",
    ) -> ChosenPanel:
        """The panel that a request names or brings in `field`, or its parent's, or the built-in one; with the
        policy that the request names, or the panel, or its parent's.

        Where the key has started a run before, its panel may be gone since: that run is answered with, and
        any panel will do.
        """
        panel = await self._panel(caller, options, claim, parent, field)
        name = options.policy or panel.policy_name
        if name:
            policy = await self._policy(caller, name)
            check_policy_of(policy, panel, f"{field}.policy")
            return replace(panel, policy=policy)
        if parent is not None and parent.specification.HasField("policy"):
            return replace(panel, policy=parent.specification.policy)
        return panel

    async def _panel(
        self,
        caller: Caller,
        options: review_service_pb2.ReviewOptions,
        claim: persistence_service_pb2.IdempotencyClaim | None,
        parent: run_pb2.Run | None,
        field: str,
    ) -> ChosenPanel:
        if options.HasField("inline_panel"):
            return await asyncio.to_thread(inline_panel, options.inline_panel, f"{field}.inline_panel")
        named = named_panel(options)
        if named is not None:
            answer = await self._gateway.get_panel(caller, *named, claim, parent.run_id if parent else "")
            return stored_panel(answer.panel) if answer.HasField("panel") else self._built_in
        if parent is not None and not options.panel:
            return panel_of_run(parent.specification)
        return self._built_in

    async def _policy(self, caller: Caller, name: str) -> policy_pb2.Policy | None:
        """None for the built-in policy, which the version of the rules names."""
        policy_id, _, revision = name.partition("@")
        if policy_id == DEFAULT_POLICY_ID and not revision:
            return None
        return await self._gateway.get_policy(caller, policy_id, revision)
