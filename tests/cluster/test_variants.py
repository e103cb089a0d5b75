"""Variants that keep no replica start with their first request."""

import httpx
import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.mark.parametrize("variant", ["sketch-fast", "sketch-int8"])
def test_a_sleeping_variant_wakes_for_its_first_request(url: str, variant: str) -> None:
    """The first request waits for the replica and is drawn by it."""
    arguments = {"prompt": "a purple cross", "seed": 5}

    answer = httpx.post(f"{url}/run/darkroom/{variant}", json=arguments, timeout=240).raise_for_status().json()

    assert answer["receipts"][0]["variant"] == variant
