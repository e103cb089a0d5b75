"""In whose name a call is made."""

from dataclasses import dataclass

from app.generation import LOCAL_TENANT
from app.storage.tenants import Scope


@dataclass(frozen=True, slots=True)
class Identity:
    """A tenant, the key by which it is known, if any, and what that key may do.

    `file_salt` goes into the names of the tenant's files.
    """

    tenant: str
    key_id: str = ""
    scopes: frozenset[Scope] = frozenset(Scope)
    file_salt: str = ""

    def may(self, scope: Scope) -> bool:
        """Whether the scope is granted."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


LOCAL = Identity(LOCAL_TENANT)
