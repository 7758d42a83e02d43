"""Owns what a bridge and an endpoint are made of, as plain values; refuses netlink, sockets and disk.

A plan is a tuple of operations in the order in which the kernel must see them. Packets take these
ways (priorities are nft's):

- out: ``postrouting`` of the bridge's table masquerades the subnet when it leaves by another interface;
- in, through a published port: ``prerouting`` (from elsewhere) or ``output`` (from this host) of the
  container's own table changes the destination; the client's address is kept, except for a client on
  127.0.0.0/8 or on the same bridge, whose answers would not come back through the host;
- between the interfaces that a host had before it began to forward for a container: nowhere (the guard
  table ``tuidock-forward``), as before; what is added later is its owner's to allow;
- 127.0.0.0/8 on the wire from a bridge is dropped before anything else, because ``route_localnet``
  (needed for 127.0.0.1 as a client) would let a container reach what listens on the host's loopback.
"""
