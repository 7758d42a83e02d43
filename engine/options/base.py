"""Owns what all options values have in common; refuses fields.

Annotations of options are evaluated as they stand: as text msgspec would compile each for every decoder.
"""

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every options value: frozen, keyword only, and JSON by msgspec."""
