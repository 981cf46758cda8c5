"""Put the graph's packet filter into the kernel, and take it out again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.base import process
from skerry.base.errors import PreconditionError, ProcessError
from skerry.stack.render_nftables import delete_nftables, render_nftables

if TYPE_CHECKING:
    from skerry.stack.plan import Plan

DEADLINE_S = 30.0


def apply_filter(plan: Plan) -> None:
    """Replace both tables in one transaction; safe at any time, connections that are open stay open.

    Raises:
        ProcessError: `process.failed` with nft's words.
    """
    process.run(["nft", "-f", "-"], stdin=render_nftables(plan), deadline_s=DEADLINE_S)


def remove_filter(prefix: str) -> None:
    """Take both tables away; it is no error when they are gone."""
    process.run(["nft", "-f", "-"], stdin=delete_nftables(prefix), deadline_s=DEADLINE_S)


def check_filter(plan: Plan) -> None:
    """Say whether this kernel accepts the rules, without putting them in force.

    Raises:
        PreconditionError: `preflight.no_filter`.
    """
    try:
        process.run(["nft", "--check", "-f", "-"], stdin=render_nftables(plan), deadline_s=DEADLINE_S)
    except ProcessError as error:
        raise PreconditionError(
            "preflight.no_filter",
            f"the kernel refuses the packet filter: {error.message}",
            "nftables with the bridge family is needed (modules nf_tables and nf_tables_bridge)",
        ) from error
