"""Dockerfile execution: plan, cache keys, context, executor."""
