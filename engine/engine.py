"""Owns the engine's face: one object whose attributes are the facades; refuses logic of its own."""

from __future__ import annotations
