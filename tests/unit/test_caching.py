"""The cache as operators use it: what it holds, explains, judges and forgets, at every level at once."""

from pathlib import Path
from typing import Any

import pytest
from fakes import make_levels
from similar_fakes import SimilarBench, asked, drawn

from app.cache.origin import Origin
from app.cache.rows import PictureRows
from app.cache.takedown import Takedown
from app.caching import CacheOperations, open_levels
from app.config import CacheSettings

CAT = Origin(tenant="ann", revision="1", prompt="a red cat")


class Site:
    """A gateway whose pictures of a red cat are known at every level, for two tenants."""

    def __init__(self) -> None:
        self.similar = SimilarBench()
        self.blobs = self.similar.blobs
        self.levels = make_levels(self.blobs, shared=PictureRows(self.blobs))
        self.operations = CacheOperations(levels=self.levels, similar=self.similar.cache, blobs=self.blobs)

    async def fill(self) -> None:
        """Two tenants' pictures."""
        for tenant in ("ann", "bob"):
            picture = await drawn(self.blobs, f"{tenant}.png")
            origin = Origin(tenant=tenant, revision="1", prompt="a red cat")
            self.levels.put((f"{tenant} exact", f"{tenant} words"), picture, origin=origin, asker="")
            await self.similar.cache.add(asked("a red cat", tenant=tenant), picture)
        await self.levels.rest()
        await self.similar.cache.rest()

    async def held(self) -> dict[str, Any]:
        """How many keys, entries and files are left."""
        stats = await self.operations.stats()
        files = sorted(key for key in self.blobs.files if key.endswith(".png"))
        kept = len([key for key in self.blobs.files if key.startswith("cache/similar")])
        return {**stats["keys"], "similar": len([each for each in stats["similar"] if each["entries"]]), "kept": kept,
                "files": files}  # fmt: skip


@pytest.mark.parametrize(
    "takedown",
    [Takedown(blob_key="ann.png"), Takedown(tenant="ann"), Takedown(tenant="ann", prompt="Draw me a red cat!")],
    ids=["picture", "tenant", "prompt"],
)
async def test_a_takedown_leaves_nothing(takedown: Takedown) -> None:
    """Memory, rows, index, its rows and the file are gone; the other tenant's stay."""
    site = Site()
    await site.fill()
    gone = await site.operations.purge(takedown, keep_files=False)
    await site.similar.cache.rest()

    assert gone == {"pictures": 1, "similar": 1, "files": 1}
    assert await site.held() == {"memory": 2, "shared": 2, "similar": 1, "kept": 1, "files": ["bob.png"]}


@pytest.mark.parametrize("takedown", [Takedown(revision="1"), Takedown(prompt="a red cat")], ids=["revision", "prompt"])
async def test_a_takedown_may_mean_all_tenants(takedown: Takedown) -> None:
    """A revision or a prompt without a tenant is meant wherever it is."""
    site = Site()
    await site.fill()
    await site.operations.purge(takedown, keep_files=False)
    await site.similar.cache.rest()

    assert await site.held() == {"memory": 0, "shared": 0, "similar": 0, "kept": 0, "files": []}


async def test_files_can_be_kept() -> None:
    """Then results that were handed out can still be fetched."""
    site = Site()
    await site.fill()
    gone = await site.operations.purge(Takedown(tenant="ann"), keep_files=True)

    assert gone == {"pictures": 1, "similar": 1, "files": 0}
    assert (await site.held())["files"] == ["ann.png", "bob.png"]


async def test_a_file_that_no_level_knows_is_deleted_too() -> None:
    """Whoever names a picture wants it gone, remembered or not."""
    site = Site()
    await drawn(site.blobs, "old.png")
    gone = await site.operations.purge(Takedown(blob_key="old.png"), keep_files=False)

    assert (gone["files"], "old.png" in site.blobs.files) == (1, False)


async def test_explaining_a_prompt() -> None:
    """How it is compared, what its wordings find, and who is nominated, within one tenant."""
    site = Site()
    await site.fill()
    told = await site.operations.explain("Please draw a red cat", tenant="ann")

    assert (told["compared_as"], told["raw_because"], told["remembered"]) == ("a red cat", None, ["ann.png"])
    assert [(each["prompt"], each["action"]) for each in told["similar"]] == [("a red cat", "shadow")]


async def test_without_similarity_there_is_nothing_to_audit() -> None:
    """The other answers are as usual."""
    site = Site()
    alone = CacheOperations(levels=site.levels, similar=None, blobs=site.blobs)

    assert await alone.audit(10) == []
    assert (await alone.stats())["similar"] == []
    assert (await alone.explain("a dot", tenant="ann"))["similar"] == []


@pytest.mark.parametrize(
    ("settings", "levels"),
    [
        ({}, ["memory", "shared"]),
        ({"shared": False}, ["memory"]),
        ({"local_folder": "disk"}, ["memory", "disk", "shared"]),
        ({"local_folder": "disk", "shared": False}, ["memory", "disk"]),
        ({"max_entries": 0, "local_folder": "disk"}, ["memory"]),
    ],
)
async def test_levels_follow_the_configuration(tmp_path: Path, settings: dict[str, Any], levels: list[str]) -> None:
    """Those that are configured are there, and none where nothing shall be remembered."""
    folder = {"local_folder": str(tmp_path / "disk")} if "local_folder" in settings else {}
    opened = open_levels(CacheSettings.model_validate(settings | folder), SimilarBench().blobs)

    assert list(await opened.counts()) == levels
