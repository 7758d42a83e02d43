"""The distribution protocol: where a registry is, who asks, and exchanges of documents and blobs with it."""
