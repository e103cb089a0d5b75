"""One OpenAPI document for everything that the server answers."""

from app.api.openapi.document import document

__all__ = ["document"]
