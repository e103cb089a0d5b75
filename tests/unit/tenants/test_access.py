"""Where a key is needed."""

from contextlib import nullcontext

import pytest

from app.config import DarkroomSettings, KeyRule
from app.errors import ConfigurationError
from app.tenants.access import check_keys_can_be_kept, is_loopback, needs_key


def needed(
    rule: KeyRule = KeyRule.AUTO, host: str = "127.0.0.1", peer: str | None = "127.0.0.1", via: str = ""
) -> bool:
    """Whether a caller needs a key."""
    return needs_key(rule, bound_host=host, peer=peer, forwarded_for=via)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", None])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_callers_on_this_machine_need_none(host: str, peer: str | None) -> None:
    """The server listens on its loopback, and the caller comes from there or from a local socket."""
    assert not needed(host=host, peer=peer)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "darkroom.example"])
def test_a_server_open_to_the_network_needs_keys_from_all(host: str) -> None:
    """Also from callers on its machine, of whom it cannot know for whom a proxy there speaks."""
    assert needed(host=host)


@pytest.mark.parametrize("peer", ["10.0.0.7", "fe80::1", "::ffff:10.0.0.7", "testclient", ""])
def test_a_caller_from_elsewhere_needs_one(peer: str) -> None:
    """However it came to a server that listens on its loopback."""
    assert needed(peer=peer)


@pytest.mark.parametrize(
    ("via", "wanted"), [("127.0.0.1", False), ("::1, 127.0.0.1", False), ("203.0.113.9", True), ("127.0.0.1, x", True)]
)
def test_a_proxy_speaks_for_its_caller(via: str, wanted: bool) -> None:
    """A proxy on this machine that speaks for somebody elsewhere opens nothing."""
    assert needed(via=via) is wanted


def test_rules_without_exception() -> None:
    """Always is from everybody, never from nobody."""
    assert needed(KeyRule.ALWAYS)
    assert not needed(KeyRule.NEVER, host="0.0.0.0", peer="203.0.113.9", via="203.0.113.9")


@pytest.mark.parametrize(
    ("host", "rule", "jobs", "is_refused"),
    [
        ("0.0.0.0", "auto", "memory", True),
        ("127.0.0.1", "always", "memory", True),
        ("0.0.0.0", "auto", "sqlite:jobs.sqlite", False),
        ("0.0.0.0", "never", "memory", False),
        ("127.0.0.1", "auto", "memory", False),
    ],
)
def test_a_server_that_nobody_could_call_does_not_start(host: str, rule: str, jobs: str, is_refused: bool) -> None:
    """Where all need a key, there must be a place that keeps one."""
    settings = DarkroomSettings.model_validate(
        {
            "server": {"host": host},
            "auth": {"required": rule},
            "storage": {"jobs": jobs},
            "variants": {"a": {"source": "x"}},
            "endpoints": {"fal-ai/esrgan": {"task": "upscale"}},
        }
    )
    with pytest.raises(ConfigurationError, match="nobody") if is_refused else nullcontext():
        check_keys_can_be_kept(settings)


@pytest.mark.parametrize("name", ["", "example.com", "localhost.example.com", "127.0.0.1.example.com", "0x7f000001"])
def test_names_are_not_trusted(name: str) -> None:
    """A name that only looks local is not."""
    assert not is_loopback(name)
