"""Images as tar archives: docker-archive and OCI archive, read and written."""
