"""Plans by digest: fetched once, then kept, since they never change."""

from collections import OrderedDict
from typing import Any

from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.planning.plan import Plan

KEPT = 256


class PlanCache:
    """The plans used last."""

    def __init__(self, stub: Any, metadata: tuple[tuple[str, str], ...]) -> None:
        self._stub = stub
        self._metadata = metadata
        self._plans: OrderedDict[str, Plan] = OrderedDict()

    async def get(self, digest: str) -> Plan:
        """The plan with this digest; waits for a controller that is away."""
        if (plan := self._plans.get(digest)) is None:
            reply = await self._stub.GetPlan(
                pb.GetPlanRequest(digest=digest), metadata=self._metadata, wait_for_ready=True
            )
            plan = self._plans[digest] = Plan.from_json(reply.plan_json)
            if len(self._plans) > KEPT:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(digest)
        return plan
