"""Base images made on this machine: hello-world, busybox, debian, ubuntu."""
