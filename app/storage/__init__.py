"""What outlives a request: pictures (blobs) and queued requests (jobs)."""
