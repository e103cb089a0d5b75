"""What shall be remembered no longer."""

from dataclasses import dataclass

from app.cache.canonical import canonical_form
from app.cache.origin import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Takedown:
    """What matches all that is named: a picture by its file, a prompt in any wording, a tenant, a revision.

    One that names nothing matches nothing.
    """

    blob_key: str | None = None
    prompt: str | None = None
    tenant: str | None = None
    revision: str | None = None

    def matches(self, origin: Origin, blob_key: str) -> bool:
        """Whether a picture with this origin and file is meant."""
        named = (
            self.blob_key is None or self.blob_key == blob_key,
            self.tenant is None or self.tenant == origin.tenant,
            self.revision is None or self.revision == origin.revision,
            self.prompt is None or _means_the_same(self.prompt, origin.prompt),
        )
        return not self.is_empty and all(named)

    @property
    def is_empty(self) -> bool:
        """Whether it names nothing."""
        return self == Takedown()


def _means_the_same(one: str, other: str) -> bool:
    return one.strip() == other.strip() or canonical_form(one) == canonical_form(other)
