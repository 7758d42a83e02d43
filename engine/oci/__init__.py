"""OCI documents and names as frozen values; performs no I/O."""
