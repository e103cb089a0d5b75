"""The blob store: files by key, shared by every process that makes or serves pictures."""

from app.storage.blobs.contract import BlobStore
from app.storage.blobs.local import LocalBlobStore
from app.storage.blobs.opening import open_blobs

__all__ = ["BlobStore", "LocalBlobStore", "open_blobs"]
