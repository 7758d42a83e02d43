"""The state on disk: blobs, layers, records, locks, garbage collection."""
