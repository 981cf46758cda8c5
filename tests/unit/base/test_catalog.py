"""The format of models/catalog.toml: what is written, and every refusal with what is wrong in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from skerry.base.catalog import Model, read_models
from skerry.base.errors import InvalidInputError
from skerry.base.paths import find_checkout

CHAT = """
[[model]]
id = "a/chat"
ollama_name = "a-chat"
family = "a"
task = "chat"
file = "chat/chat.gguf"
modelfile = "chat/Modelfile"
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
licence = "Apache-2.0"
context_tokens = 4096
memory_mib = 300
tool_calls = 0.95
"""
EMBEDDING = (
    CHAT.replace("a/chat", "a/embed")
    .replace("a-chat", "a-embed")
    .replace('"chat"', '"embedding"')
    .replace("chat/", "embed/")
    .replace("0.95", '"none"')
)


def write(folder: Path, text: str) -> Path:
    path = folder / "catalog.toml"
    path.write_text(text)
    return path


def test_everything_that_is_written(tmp_path: Path) -> None:
    more = (
        'label = "Chat"\nprovider = "b"\ndescription = "talks"\ndefault = true\nrecipe = "r"\ncapabilities = {x = 1}\n'
    )
    assert read_models(write(tmp_path, CHAT + more)) == (
        Model(
            id="a/chat",
            ollama_name="a-chat",
            family="a",
            task="chat",
            file="chat/chat.gguf",
            modelfile="chat/Modelfile",
            sha256="0123456789abcdef" * 4,
            licence="Apache-2.0",
            context_tokens=4096,
            memory_mib=300,
            tool_calls=0.95,
            recipe="r",
            label="Chat",
            provider="b",
            description="talks",
            default=True,
            capabilities={"x": 1},
        ),
    )


def test_what_is_not_said_is_made_from_the_id(tmp_path: Path) -> None:
    chat, embedding = read_models(write(tmp_path, CHAT + EMBEDDING))
    assert (chat.label, chat.provider, chat.recipe, chat.default) == ("a/chat", "a", "", False)
    assert (embedding.task, embedding.tool_calls) == ("embedding", None)


@pytest.mark.parametrize("field", re.findall(r"^(\w+) =", CHAT, re.MULTILINE))
def test_a_missing_field_is_refused_by_name(tmp_path: Path, field: str) -> None:
    text = "".join(line for line in CHAT.splitlines(keepends=True) if not line.startswith(f"{field} ="))
    with pytest.raises(InvalidInputError) as caught:
        read_models(write(tmp_path, text))
    assert caught.value.code == "model.catalog"
    assert f"{field} is missing" in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tool_calls = 0.95", "tool_calls = 1.5", "tool_calls is 1.5"),
        ("tool_calls = 0.95", "tool_calls = true", "tool_calls is True"),
        ("tool_calls = 0.95", 'tool_calls = "some"', "tool_calls is 'some'"),
        ("4096", "0", "context_tokens is 0"),
        ("4096", "4096.0", "context_tokens is 4096.0"),
        ("4096", '"many"', "context_tokens is 'many'"),
        ("300", "true", "memory_mib is True"),
        ('"chat"', '"speech"', "task is 'speech'"),
        ('"a/chat"', '"A/CHAT"', "id is 'A/CHAT'"),
        ('"a/chat"', '"chat"', "id is 'chat'"),
        ('"a/chat"', "7", "model 1: id is 7"),
        ("0123456789abcdef0123", "0123", "sha256 is"),
        ('"chat/chat.gguf"', '"../chat.gguf"', "file is '../chat.gguf'"),
        ('"chat/chat.gguf"', '"/chat.gguf"', "file is '/chat.gguf'"),
        ('"chat/chat.gguf"', '"chat/a\\tb"', "file is"),
        ('"chat/chat.gguf"', '"other/chat.gguf"', "not two files of one folder"),
        ('"chat/chat.gguf"', '"chat/Modelfile"', "not two files of one folder"),
        ('"Apache-2.0"', '""', "licence is ''"),
        ("memory_mib = 300", "memory_mib = 300\nmemory = 300", "unknown field memory"),
        ("memory_mib = 300", "memory_mib = 300\ndefault = 1", "default is 1"),
        ("memory_mib = 300", "memory_mib = 300\ncapabilities = 1", "capabilities is 1"),
    ],
)
def test_a_wrong_field_is_refused_by_name(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in CHAT
    with pytest.raises(InvalidInputError) as caught:
        read_models(write(tmp_path, CHAT.replace(old, new)))
    assert caught.value.code == "model.catalog"
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no model"),
        ("model = 7", "names no model"),
        ("model = [7]", "names no model"),
        ("[[model", "is no catalogue"),
        (f'title = "x"\n{CHAT}', "unknown key title"),
        (CHAT + CHAT, "id 'a/chat' stands there twice"),
        (CHAT + CHAT.replace("a/chat", "a/other"), "ollama_name 'a-chat' stands there twice"),
        (CHAT + CHAT.replace("a/chat", "a/other").replace("a-chat", "b"), "file 'chat/chat.gguf' stands there twice"),
        (EMBEDDING.replace('"none"', "0.5"), "only a chat model"),
        (EMBEDDING + "default = true\n", "only a chat model"),
    ],
)
def test_what_is_no_catalogue_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_models(write(tmp_path, text))
    assert caught.value.code == "model.catalog"
    assert said in caught.value.message


def test_two_defaults_are_refused(tmp_path: Path) -> None:
    second = CHAT.replace("a/chat", "a/two").replace("a-chat", "a-two").replace("chat/chat.gguf", "chat/two.gguf")
    with pytest.raises(InvalidInputError, match="two models say default"):
        read_models(write(tmp_path, f"{CHAT}default = true\n{second}default = true\n"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        read_models(tmp_path / "none.toml")


def test_the_product_s_own_catalogue_is_read() -> None:
    tasks = {model.task for model in read_models(find_checkout(Path(__file__)).catalog)}
    assert tasks == {"chat", "embedding"}
