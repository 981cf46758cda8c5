"""A plan as nftables rules: who may open a connection to whom, enforced below the containers.

Contract: pure; the text replaces whole tables in one transaction (`nft -f`). Two tables, named after the site's prefix:

bridge: inside each edge's network only the client opens connections, and only to the server's declared ports. The rules
are stateless (a server's answers never have SYN alone), so they need no connection tracking on bridges. Everything else
from or to our addresses that crosses a bridge is counted and dropped. (IPv6 is off inside every container.)

inet: no container opens a connection to the host, to the edge by way of the host's published ports, or outwards; the
host opens none to a container other than the edge (Ollama, for one, asks for no password). Where the kernel shows
bridged packets to this family too (br_netfilter), an edge's own traffic matches none of these rules.

Source: https://wiki.nftables.org/wiki-nftables/index.php/Netfilter_hooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry.stack.plan import Network, Plan

# Before the filters of others (priority filter is 0), after address translation (-100).
PRIORITY = -10


def table_name(prefix: str) -> str:
    """Return the name of both tables; nftables knows no hyphens."""
    return prefix.replace("-", "_")


def render_nftables(plan: Plan) -> str:
    """Return the rules of a plan as a file for `nft -f`; it may be loaded again at any time."""
    table = table_name(plan.site.prefix)
    edges = [line for network in plan.networks.values() if network.internal for line in _edge(network)]
    lines = [
        "# Made by skerry from the graph of services.",
        f"table bridge {table}",
        f"delete table bridge {table}",
        f"table bridge {table} {{",
        "  chain forward {",
        f"    type filter hook forward priority {PRIORITY}; policy accept;",
        *(f"    {line}" for line in edges),
        f"    ip saddr {plan.site.addresses} counter drop",
        f"    ip daddr {plan.site.addresses} counter drop",
        "  }",
        "}",
        f"table inet {table}",
        f"delete table inet {table}",
        f"table inet {table} {{",
        "  chain input {",
        f"    type filter hook input priority {PRIORITY}; policy accept;",
        "    ct state established,related accept",
        f"    ip saddr {plan.site.addresses} counter drop",
        "  }",
        *_ingress(plan),
        "}",
    ]
    return "\n".join(lines) + "\n"


def delete_nftables(prefix: str) -> str:
    """Return the rules that take both tables away; it is no error when they are gone."""
    table = table_name(prefix)
    return "".join(f"table {family} {table}\ndelete table {family} {table}\n" for family in ("bridge", "inet"))


def _edge(network: Network) -> list[str]:
    client, server = network.subnet.client, network.subnet.server
    ports = ", ".join(map(str, network.ports))
    return [
        f"ip saddr {client} ip daddr {server} tcp dport {{ {ports} }} accept",
        f"ip saddr {server} ip daddr {client} tcp sport {{ {ports} }} tcp flags & (syn | ack) != syn accept",
    ]


def _ingress(plan: Plan) -> list[str]:
    if plan.ingress is None:
        return []
    subnet = plan.ingress.subnet.cidr
    return [
        "  chain forward {",
        f"    type filter hook forward priority {PRIORITY}; policy accept;",
        # By the host's published ports, which are translated before this hook; then outwards.
        f"    ip saddr {plan.site.addresses} ip daddr {subnet} ct state new counter drop",
        f"    ip saddr {plan.site.addresses} ip daddr != {plan.site.addresses} ct state new counter drop",
        "  }",
        "  chain output {",
        f"    type filter hook output priority {PRIORITY}; policy accept;",
        f"    ip daddr {plan.site.addresses} ip daddr != {subnet} ct state new counter drop",
        "  }",
    ]
