"""`/cache`: what operators see of the cache and tell it."""

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from app.api.cache import CacheRoutes
from app.api.doors import scope_of
from app.cache.takedown import Takedown
from app.errors import BadRequestError, InvalidInputError
from app.storage.tenants import Scope


class RecordedCache:
    """Remembers what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    async def stats(self) -> dict[str, Any]:
        """What it holds."""
        return {"keys": {"memory": 1}, "similar": []}

    async def explain(self, prompt: str, *, tenant: str) -> dict[str, Any]:
        """What would answer."""
        self.asked.append(("explain", prompt, tenant))
        return {"similar": []}

    async def audit(self, most: int) -> list[dict[str, Any]]:
        """What hits are worth."""
        self.asked.append(("audit", most))
        return []

    async def purge(self, takedown: Takedown, *, keep_files: bool) -> dict[str, int]:
        """Forget."""
        self.asked.append(("purge", takedown, keep_files))
        return {"pictures": 1, "similar": 0, "files": 1}


def client(cache: RecordedCache) -> httpx.AsyncClient:
    """A client of the routes alone."""
    app = Starlette()
    CacheRoutes(cache).add_to(app)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_everything_can_be_asked() -> None:
    """Each route asks the cache what its body says."""
    cache = RecordedCache()
    async with client(cache) as http:
        stats = (await http.get("/cache")).json()
        await http.post("/cache/explain", json={"prompt": "a dot", "tenant": "ann"})
        await http.post("/cache/audit", json={"most": 7})
        purged = await http.post("/cache/purge", json={"prompt": "a dot", "keep_files": True})

    assert stats["keys"] == {"memory": 1}
    assert cache.asked == [("explain", "a dot", "ann"), ("audit", 7), ("purge", Takedown(prompt="a dot"), True)]
    assert purged.json()["pictures"] == 1


@pytest.mark.parametrize("body", [{}, {"keep_files": True}, {"prompt": ""}, {"everything": True}])
async def test_a_purge_names_something(body: dict[str, Any]) -> None:
    """Nothing is forgotten by a body that names nothing, or that cannot be understood."""
    cache = RecordedCache()
    async with client(cache) as http:
        with pytest.raises((BadRequestError, InvalidInputError)):
            await http.post("/cache/purge", json=body)

    assert cache.asked == []


@pytest.mark.parametrize("path", ["/cache", "/cache/explain", "/cache/audit", "/cache/purge"])
def test_only_administrators_may(path: str) -> None:
    """Every route needs the scope of administration."""
    assert {scope_of("GET", path), scope_of("POST", path)} == {Scope.ADMIN}
