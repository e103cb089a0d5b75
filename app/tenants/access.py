"""Where a key is needed."""

from functools import lru_cache
from ipaddress import ip_address

from app.config import DarkroomSettings, KeyRule
from app.errors import ConfigurationError

_LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})


def needs_key(rule: KeyRule, *, bound_host: str, peer: str | None, forwarded_for: str) -> bool:
    """Whether a caller has to show a key.

    With `auto`, one on this machine does not: the server listens on the loopback alone, the connection comes from
    there or from a local socket (`peer` None), and no proxy says that it speaks for somebody else
    (`forwarded_for`, the header X-Forwarded-For).
    """
    if rule is not KeyRule.AUTO:
        return rule is KeyRule.ALWAYS
    if not is_loopback(bound_host) or not (peer is None or is_loopback(peer)):
        return True
    return not all(is_loopback(name.strip()) for name in forwarded_for.split(",") if name.strip())


def check_keys_can_be_kept(settings: DarkroomSettings) -> None:
    """Raises ConfigurationError when everybody needs a key, and the configured store forgets all of them."""
    rule, host = settings.auth.required, settings.server.host
    if settings.storage.jobs == "memory" and needs_key(rule, bound_host=host, peer=None, forwarded_for=""):
        raise ConfigurationError(
            f"auth.required {rule.value} with server.host {host} and storage.jobs memory: nobody can have a key; "
            "name sqlite:path or postgresql://…, or set auth.required to never"
        )


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether the host, numeric or named, is this machine and cannot be reached from another."""
    if host.lower() in _LOOPBACK_NAMES:
        return True
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
