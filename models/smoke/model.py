"""The smoke model: a small decoder of the family that GGUF calls `qwen2`, in JAX.

Pre-norm blocks of attention (rotary positions in the NEOX order, biases on query, key and value) and a SiLU-gated
feed-forward part; the output matrix is the embedding matrix. Source: llama.cpp's graph for qwen2, which this must
agree with.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from models.smoke.shape import Shape

BLOCK = 64
"""Queries of one attention block."""

Weights = dict[str, jax.Array]
"""Weights by their GGUF name (`blk.0.attn_q.weight`), matrices as (outputs, inputs)."""


def _norm(states: jax.Array, weight: jax.Array, epsilon: float) -> jax.Array:
    return states * jax.lax.rsqrt(jnp.mean(states * states, axis=-1, keepdims=True) + epsilon) * weight


def _rotate(states: jax.Array, shape: Shape) -> jax.Array:
    """Turn (batch, length, heads, head) by position: the halves of a head are the pairs (NEOX)."""
    length, half = states.shape[1], shape.head // 2
    angles = jnp.arange(length)[:, None] * (shape.rope_base ** (-jnp.arange(half) / half))[None, :]
    cosine, sine = jnp.cos(angles)[None, :, None, :], jnp.sin(angles)[None, :, None, :]
    first, second = states[..., :half], states[..., half:]
    return jnp.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=-1)


def _blocks(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Causal attention of one row, (heads, length, head) each, block by block: keys ahead of a block cost nothing."""
    length = query.shape[1]
    out = []
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        scores = query[:, start:stop] @ key[:, :stop].transpose(0, 2, 1) / math.sqrt(query.shape[2])
        seen = jnp.arange(stop)[None, :] <= jnp.arange(start, stop)[:, None]
        out.append(jax.nn.softmax(jnp.where(seen, scores, -1e9), axis=-1) @ value[:, :stop])
    return jnp.concatenate(out, axis=1)


def _attend(weights: Weights, name: str, states: jax.Array, shape: Shape) -> jax.Array:
    batch, length, _ = states.shape

    def heads(part: str) -> jax.Array:
        out = states @ weights[f"{name}.attn_{part}.weight"].T + weights[f"{name}.attn_{part}.bias"]
        return out.reshape(batch, length, shape.heads, shape.head)

    query, key, value = _rotate(heads("q"), shape), _rotate(heads("k"), shape), heads("v")
    rows = tuple(part.transpose(0, 2, 1, 3) for part in (query, key, value))
    # Row by row and recomputed in the backward pass: the scores then stay in the cache (2.3 times faster on a CPU
    # than all rows at once).
    mixed = jax.lax.map(jax.checkpoint(lambda row: _blocks(*row)), rows).transpose(0, 2, 1, 3)
    return mixed.reshape(batch, length, shape.width) @ weights[f"{name}.attn_output.weight"].T


def _feed(weights: Weights, name: str, states: jax.Array) -> jax.Array:
    gate = jax.nn.silu(states @ weights[f"{name}.ffn_gate.weight"].T)
    return (gate * (states @ weights[f"{name}.ffn_up.weight"].T)) @ weights[f"{name}.ffn_down.weight"].T


def hidden(weights: Weights, tokens: jax.Array, shape: Shape) -> jax.Array:
    """Return the normed last states (batch, length, width) for tokens (batch, length)."""
    states = weights["token_embd.weight"][tokens]
    for layer in range(shape.layers):
        name = f"blk.{layer}"
        normed = _norm(states, weights[f"{name}.attn_norm.weight"], shape.epsilon)
        states = states + _attend(weights, name, normed, shape)
        normed = _norm(states, weights[f"{name}.ffn_norm.weight"], shape.epsilon)
        states = states + _feed(weights, name, normed)
    return _norm(states, weights["output_norm.weight"], shape.epsilon)


def logits(weights: Weights, states: jax.Array) -> jax.Array:
    """Return scores over the vocabulary for states (..., width)."""
    return states @ weights["token_embd.weight"].T
