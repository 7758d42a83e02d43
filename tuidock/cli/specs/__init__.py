"""What users write into options (ports, mounts, environments, sizes), as values."""
