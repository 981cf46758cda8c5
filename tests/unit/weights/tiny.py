"""A BERT of two layers and eight tokens in the published form, with weights that follow from their place."""

from __future__ import annotations

import json
import math
import struct
from array import array

from skerry.weights.bert import Files, tensor_names

LAYERS, WIDTH, HIDDEN, PLACES = 2, 32, 64, 16
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]", "word", "##s", "[", "é"]
CONFIGURATION = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "num_hidden_layers": LAYERS,
    "max_position_embeddings": PLACES,
    "hidden_size": WIDTH,
    "intermediate_size": HIDDEN,
    "num_attention_heads": 2,
    "layer_norm_eps": 1e-12,
    "type_vocab_size": 2,
    "vocab_size": len(TOKENS),
}


def sizes_of(name: str) -> tuple[int, ...]:
    """Return the sizes of a published tensor."""
    tables = {"word_embeddings": len(TOKENS), "position_embeddings": PLACES, "token_type_embeddings": 2}
    for table, rows in tables.items():
        if f".{table}." in name:
            return rows, WIDTH
    rows = HIDDEN if "intermediate" in name else WIDTH
    if name.endswith(".bias") or "LayerNorm" in name:
        return (rows,)
    return rows, HIDDEN if name.endswith("output.dense.weight") and "attention" not in name else WIDTH


def tensors() -> dict[str, tuple[tuple[int, ...], array[float]]]:
    """Return every tensor of the published form, those that are dropped too."""
    found = {}
    for number, (name, _) in enumerate(tensor_names(LAYERS)):
        sizes = sizes_of(name)
        found[name] = (sizes, array("f", (math.sin(number + place / 7) for place in range(math.prod(sizes)))))
    found["pooler.dense.bias"] = ((WIDTH,), array("f", [0.0] * WIDTH))
    found["pooler.dense.weight"] = ((WIDTH, WIDTH), array("f", [0.0] * WIDTH * WIDTH))
    return found


def safetensors(held: dict[str, tuple[tuple[int, ...], array[float]]]) -> bytes:
    """Return a safetensors file; position numbers, which are no floats, come first."""
    numbers = struct.pack(f"<{PLACES}q", *range(PLACES))
    header = {"embeddings.position_ids": {"dtype": "I64", "shape": [1, PLACES], "data_offsets": [0, len(numbers)]}}
    body = bytearray(numbers)
    for name, (sizes, values) in held.items():
        begin = len(body)
        body += values.tobytes()
        header[name] = {"dtype": "F32", "shape": list(sizes), "data_offsets": [begin, len(body)]}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(body)


def files() -> Files:
    """Return the whole model."""
    return Files(
        weights=safetensors(tensors()),
        configuration=json.dumps(CONFIGURATION).encode(),
        pooling=b'{"pooling_mode_mean_tokens": true}',
        vocabulary="".join(f"{token}\n" for token in TOKENS).encode(),
    )
