"""Image config and run options to a running, supervised container."""
