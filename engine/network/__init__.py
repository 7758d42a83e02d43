"""Container networks: pure plans, and one netlink module that compiles them."""
