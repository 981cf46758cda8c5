"""Fresh weights with copying heads wired in, so that a few million tokens on two cores are enough to train the rest.

Copying text never seen takes two steps (an induction head, Olsson et al. 2022): a first block notes at every token
which tokens came before it; a second looks for the place where what came before is what comes now, and passes on what
stands there. Training finds this wiring by itself after tens of millions of tokens; here it is the starting point,
exact but for random projections, and everything stays trainable.

The width is split: the first `EMBEDDED` numbers hold the token, then 16 for each of the `OFFSETS` tokens before it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from models.smoke.model import Weights
    from models.smoke.shape import Shape

EMBEDDED: Final = 96
OFFSETS: Final = 4
NOTE: Final = 16
"""Numbers that note one earlier token."""
COPYING: Final = 3
"""Heads of the second block that copy, 32 numbers of the token each."""
LOOK: Final = 8.8
"""Strength of looking back: the next best place gets a thousandth."""


class _Source:
    """Random matrices, one key after the other."""

    def __init__(self, seed: int) -> None:
        self._key = jax.random.key(seed)

    def matrix(self, outputs: int, inputs: int, scale: float = 1.0) -> jax.Array:
        self._key, own = jax.random.split(self._key)
        return jax.random.normal(own, (outputs, inputs), jnp.float32) * (scale / math.sqrt(inputs))


def _look_back(shape: Shape) -> tuple[jax.Array, jax.Array]:
    """Return biases of query and key with which head n looks n + 1 tokens back, by its three fastest rotary pairs."""
    half = shape.head // 2
    fast = jnp.arange(half) < 3
    angles = shape.rope_base ** (-jnp.arange(half) / half)
    query, key = jnp.zeros((shape.heads, shape.head)), jnp.zeros((shape.heads, shape.head))
    for head in range(OFFSETS):
        turned = jnp.concatenate([jnp.cos(angles * -(head + 1)), jnp.sin(angles * -(head + 1))])
        query = query.at[head].set(LOOK * jnp.tile(fast, 2) * turned)
        key = key.at[head, :half].set(LOOK * fast)
    return query.reshape(-1), key.reshape(-1)


def _note(weights: Weights, shape: Shape, source: _Source) -> jax.Array:
    """Wire the first block: head n notes the token n + 1 back. Return the projection that notes are made by."""
    projection = source.matrix(NOTE, EMBEDDED)
    value, output = weights["blk.0.attn_v.weight"], weights["blk.0.attn_output.weight"]
    for part in ("q", "k"):
        faint = weights[f"blk.0.attn_{part}.weight"].at[: OFFSETS * shape.head].multiply(0.1)
        weights[f"blk.0.attn_{part}.weight"] = faint
    for head in range(OFFSETS):
        start, place = head * shape.head, EMBEDDED + head * NOTE
        value = value.at[start : start + shape.head].set(0.0)
        value = value.at[start : start + NOTE, :EMBEDDED].set(projection)
        output = output.at[:, start : start + shape.head].set(0.0)
        output = output.at[place : place + NOTE, start : start + NOTE].set(jnp.eye(NOTE) * (0.7 / math.sqrt(NOTE)))
    weights["blk.0.attn_v.weight"], weights["blk.0.attn_output.weight"] = value, output
    weights["blk.0.attn_q.bias"], weights["blk.0.attn_k.bias"] = _look_back(shape)
    return projection


def _copy(weights: Weights, shape: Shape, projection: jax.Array) -> None:
    """Wire the second block: its first heads seek a place whose notes are the present tokens, and pass on its token."""
    query, key = weights["blk.1.attn_q.weight"], weights["blk.1.attn_k.weight"]
    value, output = weights["blk.1.attn_v.weight"], weights["blk.1.attn_output.weight"]
    present = jnp.zeros((NOTE, shape.width)).at[:, :EMBEDDED].set(projection)
    notes = [
        jnp.zeros((NOTE, shape.width)).at[:, EMBEDDED + at * NOTE : EMBEDDED + (at + 1) * NOTE].set(jnp.eye(NOTE))
        for at in range(OFFSETS)
    ]
    half = shape.head // 2
    still = jnp.concatenate([jnp.arange(half // 2, half), jnp.arange(half + half // 2, shape.head)])
    for head in range(COPYING):
        start, stop = head * shape.head, (head + 1) * shape.head
        rows = (jnp.arange(NOTE) + 5 * head) % NOTE
        # Half of the match is the present token, a quarter each the two before it.
        asked = jnp.concatenate([present[rows[:8]] * 1.0, notes[0][rows[8:12]] * 0.5, notes[1][rows[12:]] * 0.5])
        held = jnp.concatenate([notes[0][rows[:8]], notes[1][rows[8:12]], notes[2][rows[12:]]])
        query = query.at[start:stop].multiply(0.1).at[start + still].set(asked * 3.0)
        key = key.at[start:stop].multiply(0.1).at[start + still].set(held * 2.4)
        block = (
            jnp.zeros((shape.head, shape.width))
            .at[:, head * shape.head : (head + 1) * shape.head]
            .set(jnp.eye(shape.head))
        )
        value = value.at[start:stop].set(block * 0.6)
        output = output.at[:, start:stop].set(block.T * 2.0)
    weights["blk.1.attn_q.weight"], weights["blk.1.attn_k.weight"] = query, key
    weights["blk.1.attn_v.weight"], weights["blk.1.attn_output.weight"] = value, output


def initial(shape: Shape, seed: int) -> Weights:
    """Return fresh weights: normal by the number of inputs, outputs scaled down by depth, copying heads wired in."""
    source = _Source(seed)
    embedded = source.matrix(shape.vocabulary, EMBEDDED)
    weights = {"token_embd.weight": jnp.zeros((shape.vocabulary, shape.width)).at[:, :EMBEDDED].set(embedded)}
    depth = 0.5 / math.sqrt(2 * shape.layers)
    for layer in range(shape.layers):
        name = f"blk.{layer}"
        weights[f"{name}.attn_norm.weight"] = jnp.ones(shape.width)
        for part in ("q", "k", "v"):
            weights[f"{name}.attn_{part}.weight"] = source.matrix(shape.width, shape.width)
            weights[f"{name}.attn_{part}.bias"] = jnp.zeros(shape.width)
        weights[f"{name}.attn_output.weight"] = source.matrix(shape.width, shape.width, depth)
        weights[f"{name}.ffn_norm.weight"] = jnp.ones(shape.width)
        weights[f"{name}.ffn_gate.weight"] = source.matrix(shape.hidden, shape.width)
        weights[f"{name}.ffn_up.weight"] = source.matrix(shape.hidden, shape.width)
        weights[f"{name}.ffn_down.weight"] = source.matrix(shape.width, shape.hidden, depth)
    weights["output_norm.weight"] = jnp.ones(shape.width)
    _copy(weights, shape, _note(weights, shape, source))
    return weights
