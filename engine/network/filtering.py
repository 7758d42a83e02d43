"""Owns a plan's items for a host whose kernel has iptables and no nf_tables; sends nothing."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from engine.network.plan import operations as ops
from engine.network.plan.iptables import restore_text
from engine.network.template import GONE, IPTABLES, Item

if TYPE_CHECKING:
    from collections.abc import Callable

    _Table = ops.AddTable | ops.ReplaceTable
    _Part = _Table | ops.AddChain | ops.AddRule


def iptables_items(
    operations: ops.Operations,
    families: tuple[str, ...],
    others: Callable[[ops.Operations], tuple[Item, ...]],
) -> tuple[Item, ...]:
    """As ``Templates.items``, which makes the ``others``; what is not of ``families`` is left out."""
    made: list[Item] = []
    parts: list[_Part] = []
    for operation in (*operations, None):
        adds = isinstance(operation, ops.AddTable | ops.ReplaceTable | ops.AddChain | ops.AddRule)
        if parts and (not adds or isinstance(operation, ops.AddTable | ops.ReplaceTable)):
            made += [_item("make", parts[0].family, _name(parts[0]), restore_text(_name(parts[0]), parts))]
            parts = []
        if operation is None or getattr(operation, "family", "ip") not in families:
            continue
        if isinstance(operation, ops.AddTable | ops.ReplaceTable | ops.AddChain | ops.AddRule):
            parts.append(operation)
        elif isinstance(operation, ops.DeleteTable):
            made.append(_item("delete", operation.family, operation.name))
        elif isinstance(operation, ops.FindTable):
            made.append(_item("find", operation.family, operation.name))
        else:
            made += others((operation,))
    return tuple(made)


def iptables_find(make: Item) -> Item:
    """What looks whether all is there that ``make`` makes."""
    _, _, rest = base64.b64decode(make.message).partition(b" ")
    return Item(IPTABLES, base64.b64encode(b"find " + rest).decode(), 0)


def _name(part: _Part) -> str:
    return part.name if isinstance(part, ops.AddTable | ops.ReplaceTable) else part.table


def _item(verb: str, family: str, name: str, text: str = "") -> Item:
    message = base64.b64encode(f"{verb} {family} {name}\n{text}".encode()).decode()
    return Item(IPTABLES, message, 0, GONE[ops.DeleteTable] if verb == "delete" else ())
