"""What is asked of similar prompts, and among which entries."""

from dataclasses import dataclass, replace

from app.cache.exact import exact_key
from app.cache.origin import Origin
from app.cache.rows import short_digest
from app.generation import PictureSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """Entries that differ in their prompts alone: whose they are, of which model, and all else that shapes them."""

    tenant: str
    revision: str
    shape: str

    def origin(self, prompt: str) -> Origin:
        """Where a picture for the prompt came from."""
        return Origin(tenant=self.tenant, revision=self.revision, prompt=prompt)

    @property
    def name(self) -> str:
        """A name that is unique, holds no secret, and can be part of a file's name."""
        return "/".join(short_digest(part) for part in (self.tenant, self.revision, self.shape))


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarQuestion:
    """Which picture in the namespace may answer the prompt?"""

    namespace: Namespace
    prompt: str


def question_of(spec: PictureSpec, *, tenant: str, revision: str) -> SimilarQuestion:
    """The question that a picture's spec asks, whatever its seed."""
    shape = exact_key(replace(spec, prompt="", seed=0), tenant="", revision="")
    return SimilarQuestion(namespace=Namespace(tenant=tenant, revision=revision, shape=shape), prompt=spec.prompt)
