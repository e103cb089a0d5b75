"""Which store a configuration names."""

from pathlib import Path

from app.config import StorageSettings
from app.errors import ConfigurationError
from app.storage.blobs.contract import BlobStore
from app.storage.blobs.local import LocalBlobStore


def open_blobs(settings: StorageSettings) -> BlobStore:
    """The configured store, of which nothing is asked yet; raises ConfigurationError for one that is not served."""
    scheme, separator, place = settings.blobs.partition("://")
    if not separator:
        return LocalBlobStore(Path(settings.blobs))
    bucket, _, prefix = place.partition("/")
    if scheme != "s3" or not bucket:
        raise ConfigurationError(f"storage.blobs: {settings.blobs} is neither a folder nor s3://bucket/prefix")
    from app.storage.blobs.s3 import S3BlobStore

    return S3BlobStore(bucket, prefix.strip("/"), settings.s3)
