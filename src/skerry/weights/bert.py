"""A sentence embedding model of the BERT family as GGUF: the form that llama.cpp and Ollama read as `bert`.

Contract: pure; bytes of a model's files in, bytes of one GGUF file out. The pooler and the position numbers are left
out, because the mean of all tokens is taken. The table of words becomes q8_0, the layers' matrices half precision, the
rest stays whole (ADR 0010): a matrix in q8_0 makes ggml quantise what it is multiplied with as well.
Source: llama.cpp, convert_hf_to_gguf.py (BertModel) for names and metadata; Devlin et al. 2019 for the network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skerry.base.errors import IntegrityError
from skerry.weights import gguf
from skerry.weights.safetensors import read_safetensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from skerry.weights.safetensors import Safetensors

MEAN_POOLING: Final = 1
UNKNOWN_TOKEN, START_TOKEN, END_TOKEN, PAD_TOKEN, MASK_TOKEN = "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"
CONTROLS: Final = frozenset({START_TOKEN, END_TOKEN, PAD_TOKEN, MASK_TOKEN})
CONTINUED: Final = "##"
SPACE: Final = "\u2581"
# Names in the published weights -> names in the file; `{}` is the number of a layer.
OUTER: Final = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.LayerNorm": "token_embd_norm",
}
LAYER: Final = {
    "encoder.layer.{}.attention.self.query": "blk.{}.attn_q",
    "encoder.layer.{}.attention.self.key": "blk.{}.attn_k",
    "encoder.layer.{}.attention.self.value": "blk.{}.attn_v",
    "encoder.layer.{}.attention.output.dense": "blk.{}.attn_output",
    "encoder.layer.{}.attention.output.LayerNorm": "blk.{}.attn_output_norm",
    "encoder.layer.{}.intermediate.dense": "blk.{}.ffn_up",
    "encoder.layer.{}.output.dense": "blk.{}.ffn_down",
    "encoder.layer.{}.output.LayerNorm": "blk.{}.layer_output_norm",
}
TABLES: Final = frozenset(
    {"embeddings.word_embeddings", "embeddings.token_type_embeddings", "embeddings.position_embeddings"}
)
DROPPED: Final = frozenset({"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"})
WHOLE: Final = ("position_embd.weight", "token_types.weight")


@dataclass(frozen=True)
class Files:
    """What is read of a published model.

    Args:
        weights: model.safetensors.
        configuration: config.json.
        pooling: 1_Pooling/config.json.
        vocabulary: vocab.txt.
    """

    weights: bytes
    configuration: bytes
    pooling: bytes
    vocabulary: bytes


def convert(files: Files, *, name: str, licence: str) -> bytes:
    """Return the GGUF file of a model.

    Args:
        files: the model as it was published.
        name: written into the file.
        licence: the same, in small letters (`apache-2.0`).

    Raises:
        IntegrityError: `weights.tensor`, `weights.model` for a network that this is not the conversion of.
    """
    known = json.loads(files.configuration)
    if (
        known.get("model_type") != "bert"
        or known.get("hidden_act") != "gelu"
        or known.get("position_embedding_type") != "absolute"
    ):
        raise _other("no plain BERT")
    if not json.loads(files.pooling).get("pooling_mode_mean_tokens"):
        raise _other("its pooling is not the mean")
    held = read_safetensors(files.weights)
    names = dict(tensor_names(known["num_hidden_layers"]))
    if held.entries.keys() != names.keys() | (DROPPED & held.entries.keys()):
        odd = sorted((held.entries.keys() ^ names.keys()) - DROPPED)
        raise _other(f"its tensors differ: {', '.join(odd[:5])}")
    tensors: dict[str, gguf.Tensor] = {new: (held.entries[old].sizes, held.floats(old)) for old, new in names.items()}
    tokens = files.vocabulary.decode().split("\n")[: known["vocab_size"]]
    check_sizes(held, known, tokens)
    kinds = {new: gguf.F16 for new, (sizes, _) in tensors.items() if new.startswith("blk.") and len(sizes) > 1}
    kinds |= dict.fromkeys(WHOLE, gguf.F32)
    return gguf.file(metadata(known, tokens, name=name, licence=licence), tensors, kinds=kinds)


def tensor_names(layers: int) -> Iterator[tuple[str, str]]:
    """Yield every tensor's published name and its name in the file, in the file's order."""
    pairs = [*OUTER.items(), *((old.format(at), new.format(at)) for at in range(layers) for old, new in LAYER.items())]
    for old, new in pairs:
        yield f"{old}.weight", f"{new}.weight"
        if old not in TABLES:
            yield f"{old}.bias", f"{new}.bias"


def check_sizes(held: Safetensors, known: Mapping[str, Any], tokens: list[str]) -> None:
    """Hold the tables to the configuration; the rest follows, or the model server refuses the file.

    Raises:
        IntegrityError: `weights.model`.
    """
    width = known["hidden_size"]
    wanted = {
        "embeddings.word_embeddings.weight": (len(tokens), width),
        "embeddings.position_embeddings.weight": (known["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (known["type_vocab_size"], width),
    }
    for name, sizes in wanted.items():
        if held.entries[name].sizes != sizes:
            raise _other(f"{name} is {held.entries[name].sizes}, not {sizes}")


def metadata(known: Mapping[str, Any], tokens: list[str], *, name: str, licence: str) -> dict[str, gguf.Value]:
    """Return what the file says of the network and its vocabulary."""
    numbers = {token: number for number, token in enumerate(tokens)}
    return {
        "general.architecture": "bert",
        "general.name": name,
        "general.license": licence,
        "general.alignment": gguf.ALIGNMENT,
        "general.file_type": gguf.FILE_TYPE_F16,
        "general.quantization_version": gguf.QUANTISATION,
        "bert.block_count": known["num_hidden_layers"],
        "bert.context_length": known["max_position_embeddings"],
        "bert.embedding_length": known["hidden_size"],
        "bert.feed_forward_length": known["intermediate_size"],
        "bert.attention.head_count": known["num_attention_heads"],
        "bert.attention.head_count_kv": known["num_attention_heads"],
        "bert.attention.layer_norm_epsilon": float(known["layer_norm_eps"]),
        "bert.attention.causal": False,
        "bert.pooling_type": MEAN_POOLING,
        "bert.normalize_embeddings": True,
        "bert.vocab_size": len(tokens),
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.token_type_count": known["type_vocab_size"],
        "tokenizer.ggml.tokens": [phantom(token) for token in tokens],
        "tokenizer.ggml.token_type": [token_type(token) for token in tokens],
        "tokenizer.ggml.bos_token_id": numbers[START_TOKEN],
        "tokenizer.ggml.eos_token_id": numbers[END_TOKEN],
        "tokenizer.ggml.cls_token_id": numbers[START_TOKEN],
        "tokenizer.ggml.seperator_token_id": numbers[END_TOKEN],  # the key is spelt so in every file
        "tokenizer.ggml.unknown_token_id": numbers[UNKNOWN_TOKEN],
        "tokenizer.ggml.padding_token_id": numbers[PAD_TOKEN],
        "tokenizer.ggml.mask_token_id": numbers[MASK_TOKEN],
    }


def phantom(token: str) -> str:
    """Return a token as ggml's WordPiece has it: a mark where a word begins, none where it goes on."""
    if is_special(token):
        return token
    return token.removeprefix(CONTINUED) if token.startswith(CONTINUED) else SPACE + token


def token_type(token: str) -> int:
    """Return ggml's type of a token."""
    if not is_special(token):
        return gguf.NORMAL
    if token == UNKNOWN_TOKEN:
        return gguf.UNKNOWN
    return gguf.CONTROL if token in CONTROLS else gguf.UNUSED


def is_special(token: str) -> bool:
    """Say whether a token stands for no text: `[CLS]`, `[unused7]`."""
    return len(token) > len("[]") and token.startswith("[") and token.endswith("]")


def _other(what: str) -> IntegrityError:
    return IntegrityError(
        "weights.model", f"this is not the model that is converted here: {what}", "see models/catalog.toml"
    )
