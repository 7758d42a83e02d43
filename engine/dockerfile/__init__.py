"""Dockerfile text to typed instructions; pure, no I/O."""
