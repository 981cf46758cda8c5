"""Every refused definition, by its code, with the file and the key in its message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from skerry.base.errors import InvalidInputError
from skerry.stack.definition import load_definition
from skerry.stack.plan import Pool, Site, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.stack.example import Example


def set_in(service: str, key: str, value: Any) -> Callable[[Example], Any]:
    return lambda example: example.services[service].update({key: value})


def drop(service: str, key: str) -> Callable[[Example], Any]:
    return lambda example: example.services[service].pop(key)


ONE_FILE: list[tuple[str, str, Callable[[Example], Any]]] = [
    ("stack.unknown_key", "services/store.toml: colour", set_in("store", "colour", "red")),
    ("stack.unknown_key", "services/store.toml: name", set_in("store", "name", "other")),
    (
        "stack.unknown_key",
        "services/store.toml: health.colour",
        set_in("store", "health", {"command": [], "colour": 1}),
    ),
    ("stack.missing_key", "services/store.toml: about", drop("store", "about")),
    ("stack.missing_key", "services/store.toml: limits", drop("store", "limits")),
    ("stack.missing_key", "tmpfs[0].size_mib", set_in("store", "tmpfs", [{"target": "/x"}])),
    ("stack.wrong_type", "services/store.toml: command", set_in("store", "command", "store run")),
    ("stack.wrong_type", "command[0]", set_in("store", "command", [1])),
    ("stack.wrong_type", "ports.main", set_in("store", "ports", {"main": "7000"})),
    ("stack.wrong_type", "limits.memory_mib", set_in("store", "limits", {"memory_mib": True})),
    ("stack.wrong_type", "services/store.toml: health", set_in("store", "health", ["x"])),
    ("stack.wrong_type", "services/store.toml: ports", set_in("store", "ports", [1])),
    ("stack.bad_value", "services/store.toml: kind", set_in("store", "kind", "daemon")),
    ("stack.bad_value", "ports.main", set_in("store", "ports", {"main": 70000})),
    ("stack.bad_value", "limits.memory_mib", set_in("store", "limits", {"memory_mib": 1})),
    ("stack.bad_value", "services/store.toml: about", set_in("store", "about", " ")),
    ("stack.bad_value", "environment.lower", set_in("store", "environment", {"lower": "x"})),
    ("stack.bad_value", "files[0].source", set_in("store", "files", [{"source": "../x", "target": "/x"}])),
    ("stack.bad_value", "files[0].source", set_in("store", "files", [{"source": "/etc/shadow", "target": "/x"}])),
    ("stack.bad_value", "files[0].target", set_in("store", "files", [{"source": "a", "target": "etc"}])),
    ("stack.bad_value", "secrets[0].target", set_in("store", "secrets", [{"name": "store-key", "target": "/etc/key"}])),
    ("stack.bad_value", "publish[0].address", set_in("front", "publish", [{"port": 1, "to": "main", "address": "::"}])),
    ("stack.no_health", "services/store.toml: health", drop("store", "health")),
    ("stack.job_shape", "services/prepare.toml", set_in("prepare", "ports", {"main": 1})),
    ("stack.job_shape", "services/prepare.toml", set_in("prepare", "instances", "pool")),
    ("stack.pool_shape", "services/worker.toml", drop("worker", "security")),
    ("stack.pool_shape", "services/store.toml", set_in("store", "security", {"userns": "pool"})),
    ("stack.unknown_port", "publish[0].to", set_in("front", "publish", [{"port": 443, "to": "https"}])),
    ("stack.two_mounts", "tmpfs[0].target", set_in("store", "tmpfs", [{"target": "/data", "size_mib": 1}])),
]


def front_copy(example: Example, **changes: Any) -> None:
    """Add a definition like `front` without what is its alone."""
    like = {key: value for key, value in example.services["front"].items() if key not in ("publish", "volumes")}
    example.services["second"] = {**like, "uid": "second", **changes}
    example.release["uids"]["second"] = 2105


def cycle(example: Example) -> None:
    example.services["store"]["after"] = ["front"]


def second_edge(example: Example) -> None:
    front_copy(example, publish=[{"port": 444, "to": "main"}])


def same_port(example: Example) -> None:
    front_copy(example, publish=[{"port": 443, "to": "main"}])


def second_writer(example: Example) -> None:
    front_copy(example, volumes=[{"name": "store", "target": "/data"}])


def orphan_volume(example: Example) -> None:
    front_copy(example, volumes=[{"name": "old", "target": "/data", "read_only": True}])


def same_uid(example: Example) -> None:
    front_copy(example, uid="front")


def unlike_template(example: Example) -> None:
    example.secrets["store-config"]["holds"] = []


def nested(example: Example) -> None:
    example.secrets["store-config"]["holds"] = ["store-key", "other"]
    example.secrets["other"] = {"kind": "rendered", "about": "x", "template": "appliance/config/store.toml"}


def holds_unknown(example: Example) -> None:
    example.secrets["store-config"]["holds"] = ["gone"]


def bare_dollar(example: Example) -> None:
    (example.root / "appliance/config/store.in").write_text("first\nprice $5 ${store-key}\n")


BETWEEN_FILES: list[tuple[str, str, Callable[[Example], Any]]] = [
    ("stack.unknown_service", "services/front.toml: reaches[0]", set_in("front", "reaches", ["shop"])),
    ("stack.unknown_service", "services/front.toml: after[1]", set_in("front", "after", ["prepare", "shop"])),
    ("stack.cycle", "front -> prepare -> store -> front", cycle),
    ("stack.cycle", "store -> store", set_in("store", "after", ["store"])),
    ("stack.reaches_itself", "services/store.toml: reaches[0]", set_in("store", "reaches", ["store"])),
    ("stack.reaches_pool", "services/front.toml: reaches[0]", set_in("front", "reaches", ["worker"])),
    ("stack.reaches_pool", "services/second.toml: after[0]", lambda e: front_copy(e, after=["worker"])),
    ("stack.no_port", "services/front.toml: reaches[0]", set_in("front", "reaches", ["prepare"])),
    ("stack.port_twice", "services/second.toml: publish[0].port", same_port),
    ("stack.second_edge", "services/second.toml: publish", second_edge),
    ("stack.unknown_uid", "services/store.toml: uid", set_in("store", "uid", "nobody")),
    ("stack.uid_twice", "services/second.toml: uid", same_uid),
    ("stack.uid_twice", "release.toml: uids.front", lambda e: e.release["uids"].update(front=2101)),
    ("stack.bad_value", "release.toml: uids.front", lambda e: e.release["uids"].update(front=0)),
    ("stack.unknown_key", "release.toml: product.colour", lambda e: e.release["product"].update(colour="red")),
    (
        "stack.unknown_secret",
        "services/front.toml: secrets[0].name",
        set_in("front", "secrets", [{"name": "gone", "target": "/run/secrets/x"}]),
    ),
    ("stack.unknown_secret", "secrets.toml: store-config.holds", holds_unknown),
    ("stack.secret_nested", "secrets.toml: store-config.holds", nested),
    ("stack.template_holds", "store-config.holds and appliance/config/store.in differ in store-key", unlike_template),
    ("stack.bad_template", "appliance/config/store.in: line 2", bare_dollar),
    (
        "stack.no_source",
        "services/store.toml: files[0].source",
        set_in("store", "files", [{"source": "models/other", "target": "/x", "made": True}]),
    ),
    ("stack.no_source", "store-config.template", lambda e: (e.root / "appliance/config/store.in").unlink()),
    (
        "stack.no_source",
        "services/store.toml: files[0].source",
        lambda e: (e.root / "appliance/config/store.toml").unlink(),
    ),
    ("stack.unknown_image", "services/store.toml: image", set_in("store", "image", "shop")),
    ("stack.unknown_variable", "services/store.toml: command[0]", set_in("store", "command", ["${queue_id}"])),
    ("stack.unknown_variable", "environment.X", set_in("store", "environment", {"X": "${home}"})),
    (
        "stack.unknown_variable",
        "services/front.toml: secrets[0].name",
        set_in("front", "secrets", [{"name": "worker-${queue_id}", "target": "/run/secrets/x"}]),
    ),
    ("stack.bad_template", "health.command[1]", set_in("store", "health", {"command": ["sh", "echo $X"]})),
    ("stack.volume_two_writers", "services/store.toml: volumes[0]", second_writer),
    ("stack.volume_no_writer", "services/second.toml: volumes[0]", orphan_volume),
    ("stack.secret_shape", "secrets.toml: store-key: template", lambda e: e.secrets["store-key"].update(template="a")),
    ("stack.secret_shape", "store-config.template is missing", lambda e: e.secrets["store-config"].pop("template")),
    ("stack.secret_shape", "secrets.toml: pool", lambda e: e.secrets.update(pool={"kind": "enrolled", "about": "x"})),
    ("stack.bad_value", "secrets.toml: store-key.bytes", lambda e: e.secrets["store-key"].update(bytes=8)),
    ("stack.bad_value", "secrets.toml: Key", lambda e: e.secrets.update(Key={"kind": "random", "about": "x"})),
    ("stack.wrong_type", "secrets.toml: key", lambda e: e.secrets.update(key="hunter2")),
    ("stack.unknown_key", "secrets.toml: key.name", lambda e: e.secrets.update(key={"name": "x"})),
]


def test_the_example_itself_is_right(example: Example) -> None:
    assert sorted(example.appliance().definitions) == ["front", "prepare", "store", "worker"]


@pytest.mark.parametrize(("code", "words", "change"), [*ONE_FILE, *BETWEEN_FILES])
def test_is_refused_by_code_naming_file_and_key(
    example: Example, code: str, words: str, change: Callable[[Example], Any]
) -> None:
    change(example)
    with pytest.raises(InvalidInputError) as caught:
        example.appliance()
    assert caught.value.code == code
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", ["Store", "a--b", "-a", "a b", "a" * 41])
def test_a_bad_name_is_refused(example: Example, name: str) -> None:
    example.services[name] = example.services.pop("front")
    with pytest.raises(InvalidInputError) as caught:
        example.definitions()
    assert caught.value.code == "stack.bad_value"


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.toml"
    with pytest.raises(InvalidInputError) as missing:
        load_definition(path, root=tmp_path)
    assert missing.value.code == "stack.no_file"
    path.write_text("kind = \n")
    with pytest.raises(InvalidInputError) as broken:
        load_definition(path, root=tmp_path)
    assert broken.value.code == "stack.not_toml"
    assert "store.toml" in broken.value.message
    assert "line 1" in broken.value.message


def test_too_many_edges_are_refused(example: Example) -> None:
    for number in range(60):
        front_copy(example)
        example.services[f"s{number}"] = example.services.pop("second")
        example.services[f"s{number}"]["reaches"] = [f"s{other}" for other in range(60) if other != number][:40]
        example.services[f"s{number}"]["uid"] = f"s{number}"
        example.release["uids"][f"s{number}"] = 3000 + number
    with pytest.raises(InvalidInputError) as caught:
        example.appliance()
    assert caught.value.code == "stack.too_many_edges"


UUID = "00000000-0000-7000-8000-0000000000aa"


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("stack.bad_site", lambda: Site(name="not a name")),
        ("stack.bad_site", lambda: Site(prefix="Skerry")),
        ("stack.bad_site", lambda: Site(addresses="10.0.0.0/24")),
        ("stack.bad_site", lambda: Site(addresses="10.0.0.1/16")),
        ("stack.bad_site", lambda: Site(addresses="8.8.0.0/16")),
        ("stack.bad_pool", lambda: Pool("x", UUID, 0)),
        ("stack.too_many_pools", lambda: Pool(UUID, UUID, 9999)),
    ],
)
def test_a_bad_site_or_pool_is_refused(code: str, make: Callable[[], Any]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make()
    assert caught.value.code == code


def test_pools_share_neither_queue_nor_slot(example: Example) -> None:
    first = Pool("00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-0000000000aa", 0)
    other = Pool("00000000-0000-7000-8000-000000000002", "00000000-0000-7000-8000-0000000000aa", 0)
    for pools in ((first, first), (first, other)):
        with pytest.raises(InvalidInputError) as caught:
            example.plan(*pools)
        assert caught.value.code == "stack.pool_twice"


def test_an_image_without_a_reference_is_refused(example: Example) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make_plan(example.appliance(), site=Site(), images={})
    assert caught.value.code == "stack.no_reference"
