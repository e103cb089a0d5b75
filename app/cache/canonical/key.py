"""The key under which all wordings of one request find one picture."""

from dataclasses import replace

from app.cache.canonical.form import canonical_form
from app.cache.exact import exact_key
from app.generation import PictureSpec


def canonical_key(spec: PictureSpec, *, tenant: str, revision: str) -> str:
    """The key of any picture for the request, whatever its seed; equal to no exact key.

    Specs share it when they differ in nothing but the seed and wordings of one prompt.
    """
    form = canonical_form(spec.prompt)
    kind = "canonical" if form.raw_because is None else "as written"
    return f"{kind}:{exact_key(replace(spec, prompt=form.text, seed=0), tenant=tenant, revision=revision)}"
