"""Signatures of webhooks: Ed25519, verified by receivers with the key that we publish."""

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.api.tokens import derived_key

PREFIX = "X-Fal-Webhook-"


class WebhookKey:
    """The server's signing key, derived from its secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(derived_key(secret, "webhooks"))

    def headers(self, body: bytes, *, request_id: str, user_id: str, now_s: float) -> dict[str, str]:
        """The headers by which a receiver knows that the body is ours, and not an old one sent again."""
        facts = {"Request-Id": request_id, "User-Id": user_id, "Timestamp": str(int(now_s))}
        message = "\n".join((*facts.values(), hashlib.sha256(body).hexdigest()))
        signature = self._key.sign(message.encode()).hex()
        return {f"{PREFIX}{name}": value for name, value in (facts | {"Signature": signature}).items()}

    def key_set(self) -> dict[str, list[dict[str, str]]]:
        """The public key as a JWK set (RFC 8037); `x` is padded, because fal's own example decodes nothing else."""
        public = self._key.public_key().public_bytes_raw()
        x = base64.urlsafe_b64encode(public).decode("ascii")
        kid = hashlib.sha256(public).hexdigest()[:16]
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA"}]}
