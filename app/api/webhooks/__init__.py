"""Webhooks: results delivered to the URLs that callers name, signed, until they are acknowledged."""
