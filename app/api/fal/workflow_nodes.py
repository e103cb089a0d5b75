"""The nodes of a workflow as calls of our own endpoints."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from app.api.fal.dialect import Dialect
from app.api.fal.parts import Parts
from app.api.fal.translate import Call
from app.errors import InvalidInputError
from app.generation import Generation, GenerationRequest
from app.workflows import RunNode

# A node's pictures are files of their own for whoever uses them next, whatever its endpoint is used to.
_INLINE = "sync_mode"
_SEED_BYTES = 4

Json = dict[str, Any]
Tell = Callable[[str], None]


class NodeCalls:
    """Calls an endpoint for a node of the request `call.request_id`.

    A node without a seed has one that follows from the request and the node, so that a repeat is identical.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._parts = Parts(dialect.service)

    async def directly(self, call: Call, node: RunNode, values: Json, tell: Tell) -> Json:
        """The node's output, made now; raises the endpoint's own error."""
        asked = await self._asked(call, node, values)
        tell(asked.request_id)
        return await self._output(call, node, await self._dialect.service.generate(asked))

    async def by_the_queue(self, call: Call, node: RunNode, values: Json, tell: Tell) -> Json:
        """The node's output, from a queued request that outlives this process; raises the endpoint's own error."""
        request_id = part_id(call.request_id, node)
        tell(request_id)
        make = partial(self._asked, call, node, values)
        generation = await self._parts.outcome(request_id, call.tenant, make)
        return await self._parts.patiently(lambda: self._output(call, node, generation))

    async def _asked(self, call: Call, node: RunNode, values: Json) -> GenerationRequest:
        endpoint = self._dialect.endpoints.find(node.app)
        own = replace(call, request_id=part_id(call.request_id, node), webhook=None, previews=False)
        payload = {name: value for name, value in values.items() if name != _INLINE}
        try:
            asked = await self._dialect.translator.request(endpoint, payload, own)
        except InvalidInputError as error:
            raise _about(node, error) from error
        asked = replace(asked, inline=False)
        if not asked.seed_is_free:
            return asked
        return replace(asked, spec=replace(asked.spec, seed=_seed(own.request_id)), seed_is_free=False)

    async def _output(self, call: Call, node: RunNode, generation: Generation) -> Json:
        endpoint = self._dialect.endpoints.find(node.app)
        return await self._dialect.output(endpoint, generation, call.base_url, inline=False)


def part_id(request_id: str, node: RunNode) -> str:
    """The id of the request that a node is."""
    return f"{request_id}-{node.number}"


def _seed(request_id: str) -> int:
    return int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:_SEED_BYTES])


def _about(node: RunNode, error: InvalidInputError) -> InvalidInputError:
    """The error with the node in the place of each issue."""
    issues = [replace(issue, loc=("body", "nodes", node.node_id, *issue.loc[1:])) for issue in error.issues]
    return InvalidInputError(tuple(issues))
