"""Owns saying a table of ours in iptables' words, for kernels that have no nf_tables; pure.

What is a table there are chains here, ``TUIDOCK-NAME-…`` in the tables mangle and nat, each with a jump to it
from the built-in chain of its hook. The filter stands in mangle, which every packet meets before the table
filter: what is dropped there stays dropped, whatever somebody else accepts, as it is between two tables of
nftables. An accept is a RETURN, which has nothing against the packet. Refuses to rewrite without connection
tracking, which nothing but a container's resolver asks for, and that has another way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import NetworkFailure
from engine.network.plan import operations as ops
from engine.network.plan.naming import TABLE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

CHAIN_PREFIX = "TUIDOCK-"
_HOOKS = {
    ("filter", "prerouting"): ("mangle", "PREROUTING", "PRE"),
    ("filter", "forward"): ("mangle", "FORWARD", "FWD"),
    ("nat", "prerouting"): ("nat", "PREROUTING", "PRE"),
    ("nat", "output"): ("nat", "OUTPUT", "OUT"),
    ("nat", "postrouting"): ("nat", "POSTROUTING", "POST"),
}
"""The iptables table, its chain, and how our chain's name ends: 28 characters with the longest interface."""
_PLAIN = r"[\w.:/@+\[\],-]+\Z"
_PROTOCOLS = {"icmpv6": "ipv6-icmp"}
_TARGETS: dict[type, str] = {ops.Accept: "RETURN", ops.Drop: "DROP", ops.Masquerade: "MASQUERADE"}
_ORDER = (ops.AddressMatch, ops.InterfaceMatch, ops.ProtocolMatch, ops.PortMatch, ops.PortRangeMatch)
"""As iptables tells them; what takes a module comes last."""


class _Chain:
    """A base chain that is being written: ``lines`` go to ``chain``, which may be a later part of it."""

    def __init__(self, table: str, made: ops.AddChain) -> None:
        self.table, self.hook, ending = _HOOKS[made.type, made.name]
        self.first = self.chain = f"{chain_stem(table)}-{ending}"
        self.lines: list[str] = []
        self.chains = [self.chain]

    def put(self, *words: str) -> None:
        """A rule at the end."""
        self.lines.append(" ".join(("-A", self.chain, *words)))

    def part(self) -> str:
        """The name of a chain that the rules from now on are in."""
        self.chains.append(f"{self.first}{len(self.chains) + 1}")
        return self.chains[-1]


def chain_stem(table: str) -> str:
    """How the chains of ``table`` are called, but for their ends."""
    return CHAIN_PREFIX + table.removeprefix(TABLE_PREFIX)


def restore_text(table: str, operations: Iterable[ops.Operation]) -> str:
    """The chains and rules of ``operations``, all of ``table`` in one family, for iptables-restore --noflush.

    Nothing of it is there before.
    """
    chains: dict[str, _Chain] = {}
    for operation in operations:
        if isinstance(operation, ops.AddChain):
            chains[operation.name] = _Chain(table, operation)
        elif isinstance(operation, ops.AddRule):
            _write(chains[operation.chain], operation)
    lines: list[str] = []
    for name in ("mangle", "nat"):
        mine = [chain for chain in chains.values() if chain.table == name]
        if mine:
            lines += [
                f"*{name}",
                *(f":{part} - [0:0]" for chain in mine for part in chain.chains),
                *(line for chain in mine for line in chain.lines),
                *(f"-I {chain.hook} -m comment --comment {_word(table)} -j {chain.first}" for chain in mine),
                "COMMIT",
            ]
    return "".join(f"{line}\n" for line in lines)


def _write(chain: _Chain, rule: ops.AddRule) -> None:
    excluded = [one for one in rule.matches if isinstance(one, ops.InterfaceMatch) and one.negate]
    if len(excluded) > 1:
        # iptables takes one interface of each direction: whoever comes from one of them goes on elsewhere.
        following = chain.part()
        for one in excluded:
            chain.put(*_interface(one, negate=False), "-g", following)
        chain.put("-j", _target(rule.verdict)[0])
        chain.chain = following
        return
    kinds: tuple[type, ...] = _ORDER
    matches = sorted(
        rule.matches, key=lambda one: kinds.index(type(one)) if type(one) in kinds else len(kinds)
    )
    chain.put(*(word for one in matches for word in _match(one)), "-j", *_target(rule.verdict))


def _match(one: ops.Match) -> tuple[str, ...]:
    match one:
        case ops.InterfaceMatch():
            words = _interface(one, negate=one.negate)
        case ops.AddressMatch():
            words = ("-s" if one.side == "saddr" else "-d", f"{one.address}/{one.prefix_length}")
        case ops.ProtocolMatch():
            words = ("-p", _PROTOCOLS.get(one.protocol, one.protocol))
        case ops.PortMatch():
            words = (f"--{one.side}", str(one.port))
        case ops.PortRangeMatch():
            words = (f"--{one.side}", f"{one.first}:{one.last}")
        case ops.LocalDestination():
            words = ("-m", "addrtype", "--dst-type", "LOCAL")
        case ops.Established():
            words = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
        case ops.Published():
            words = ("-m", "conntrack", "--ctstate", "DNAT")
    return words


def _interface(one: ops.InterfaceMatch, *, negate: bool) -> tuple[str, ...]:
    if one.name.endswith("+"):
        raise NetworkFailure(
            "set up iptables",
            f"a name that ends in + means all that begin so: {one.name}",
            remedy="give the interface another name",
        )
    return (*(("!",) if negate else ()), "-i" if one.direction == "iif" else "-o", _word(one.name))


def _target(verdict: ops.Verdict) -> tuple[str, ...]:
    words: tuple[str, ...] = (_TARGETS.get(type(verdict), ""),)
    if isinstance(verdict, ops.SourceNat):
        words = ("SNAT", "--to-source", verdict.address)
    elif isinstance(verdict, ops.DestinationAddress):
        words = ("DNAT", "--to-destination", verdict.address)
    elif isinstance(verdict, ops.DestinationNat):
        address = f"[{verdict.address}]" if ":" in verdict.address else verdict.address
        words = ("DNAT", "--to-destination", f"{address}:{verdict.port}")
    if not words[0]:
        raise NetworkFailure("set up iptables", f"it has no {type(verdict).__name__}")
    return words


def _word(text: str) -> str:
    if re.match(_PLAIN, text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
