"""weights.bert: a published BERT becomes the file that model servers read, the same bytes each time, or is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.weights import tiny
from tests.unit.weights.read import F16, F32, Q8_0, read_gguf

from skerry.base.errors import IntegrityError
from skerry.weights.bert import convert

if TYPE_CHECKING:
    from skerry.weights.bert import Files


def made(files: Files | None = None) -> bytes:
    return convert(files or tiny.files(), name="tiny", licence="apache-2.0")


def test_twice_gives_the_same_bytes() -> None:
    assert made() == made()


def test_the_head_says_what_servers_ask_for() -> None:
    said = read_gguf(made()).metadata
    assert said["general.architecture"] == "bert"
    assert (said["general.name"], said["general.license"]) == ("tiny", "apache-2.0")
    assert (said["bert.block_count"], said["bert.context_length"], said["bert.embedding_length"]) == (2, 16, 32)
    assert (said["bert.feed_forward_length"], said["bert.attention.head_count"]) == (64, 2)
    assert said["bert.attention.layer_norm_epsilon"] == pytest.approx(1e-12)
    assert (said["bert.pooling_type"], said["bert.attention.causal"], said["bert.normalize_embeddings"]) == (
        1,
        False,
        True,
    )


def test_the_vocabulary_has_the_phantom_space() -> None:
    said = read_gguf(made()).metadata
    assert said["tokenizer.ggml.model"] == "bert"
    assert said["tokenizer.ggml.tokens"] == [*tiny.TOKENS[:6], "\u2581word", "s", "\u2581[", "\u2581é"]
    assert said["tokenizer.ggml.token_type"] == [3, 2, 3, 3, 3, 5, 1, 1, 1, 1]
    assert said["tokenizer.ggml.token_type_count"] == 2
    ends = [said[f"tokenizer.ggml.{name}_token_id"] for name in ("cls", "seperator", "unknown", "padding", "mask")]
    assert ends == [2, 3, 1, 0, 4]
    assert (said["tokenizer.ggml.bos_token_id"], said["tokenizer.ggml.eos_token_id"]) == (2, 3)


def test_every_tensor_is_there_but_the_pooler_and_the_positions_numbers() -> None:
    found, published = read_gguf(made()).tensors, tiny.tensors()
    assert len(found) == len(published) - 2 == 5 + 16 * tiny.LAYERS
    pairs = {
        "embeddings.word_embeddings.weight": "token_embd.weight",
        "embeddings.position_embeddings.weight": "position_embd.weight",
        "embeddings.LayerNorm.bias": "token_embd_norm.bias",
        "encoder.layer.1.attention.self.key.weight": "blk.1.attn_k.weight",
        "encoder.layer.0.attention.output.dense.weight": "blk.0.attn_output.weight",
        "encoder.layer.1.attention.output.LayerNorm.weight": "blk.1.attn_output_norm.weight",
        "encoder.layer.0.intermediate.dense.weight": "blk.0.ffn_up.weight",
        "encoder.layer.1.output.dense.weight": "blk.1.ffn_down.weight",
        "encoder.layer.1.output.LayerNorm.bias": "blk.1.layer_output_norm.bias",
    }
    for old, new in pairs.items():
        kind, sizes, values = found[new]
        assert sizes == published[old][0]
        assert kind == (F32 if len(sizes) == 1 or new.startswith("position") else F16 if "blk" in new else Q8_0)
        assert values == pytest.approx(list(published[old][1]), abs={F32: 0, F16: 1 / 2048, Q8_0: 1 / 127}[kind])


MORE = {**tiny.tensors(), "more.weight": tiny.tensors()["pooler.dense.bias"]}


def configured(**values: Any) -> Files:
    return replace(tiny.files(), configuration=json.dumps({**tiny.CONFIGURATION, **values}).encode())


@pytest.mark.parametrize(
    "files",
    [
        configured(model_type="roberta"),
        configured(hidden_act="relu"),
        configured(position_embedding_type="relative_key"),
        configured(num_hidden_layers=3),
        configured(max_position_embeddings=8),
        configured(vocab_size=9),
        replace(tiny.files(), pooling=b'{"pooling_mode_cls_token": true}'),
        replace(
            tiny.files(),
            weights=tiny.safetensors({**tiny.tensors(), "more.weight": tiny.tensors()["pooler.dense.bias"]}),
        ),
    ],
)
def test_another_model_is_refused(files: Files) -> None:
    with pytest.raises(IntegrityError) as caught:
        made(files)
    assert caught.value.code == "weights.model"
