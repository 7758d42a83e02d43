"""Side-by-side measurements against the container engines that Debian ships."""
