"""Each rendering says the same things, with values that try to break out of it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.unit.stack.example import POOL

from skerry.base.process import run
from skerry.host.machine import Machine
from skerry.stack.render_compose import render_compose, to_yaml
from skerry.stack.render_nftables import delete_nftables, render_nftables
from skerry.stack.render_podman import (
    HostFiles,
    create_container,
    create_holder,
    create_network,
    create_volume,
    hosts_file,
)
from skerry.stack.render_quadlet import quote, render_quadlet

if TYPE_CHECKING:
    from tests.unit.stack.example import Example

    from skerry.stack.plan import Instance


def words_of(instance: Instance) -> list[str]:
    sources = {file.source: Path("/state/files") / file.source for file in instance.definition.files}
    return create_container(instance, HostFiles(sources, Path("/state/hosts")), labels={"a": "b"}, limits=True)


CLOSED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--http-proxy=false",
    "--no-hosts",
    "--pull=never",
)
CLOSED_NETWORK = ("--dns=127.0.0.1", "--sysctl=net.ipv6.conf.all.disable_ipv6=1")


def test_every_container_is_closed(example: Example) -> None:
    for instance in example.plan(POOL).instances.values():
        containers = [words_of(instance)]
        if instance.pool:
            containers.append(create_holder(instance, instance.pool, labels={}, limits=True))
        for words in containers:
            assert set(CLOSED) <= set(words), instance.name
            assert f"--user={instance.uid}:{instance.uid}" in words
            assert "--privileged" not in words
        assert set(CLOSED_NETWORK) <= set(containers[-1]), instance.name


def test_a_container_has_what_its_definition_says(example: Example) -> None:
    plan = example.plan(POOL)
    store = words_of(plan.instances["store"])
    assert "--network=skerry-front--store:ip=10.213.0.19,mac=02:53:0a:d5:00:13" in store
    assert "--volume=/state/files/appliance/config/store.toml:/etc/store.toml:ro" in store
    assert "--volume=skerry-store:/data:rw,nocopy" in store
    assert "--secret=skerry-store-config,type=mount,uid=2101,gid=2101,mode=0400,target=/run/secrets/config" in store
    assert "--memory=64m" in store
    assert "--restart=always" in store
    assert store[-3:] == ["localhost/skerry/store:1", "store", "--name=localhost"]
    front = words_of(plan.instances["front"])
    assert "--volume=skerry-store:/data:ro,nocopy" in front
    assert "--publish=0.0.0.0:443:8443/tcp" in front
    worker = words_of(plan.instances[f"worker@{POOL.queue_id}"])
    assert "--security-opt=unmask=ALL" in worker
    assert "--cap-add=NET_BIND_SERVICE" in worker
    assert "--env=PRICE=$1" in worker
    assert "--restart=no" in words_of(plan.instances["prepare"])


def test_a_pools_instance_joins_namespaces_that_another_container_holds(example: Example) -> None:
    instance = example.plan(POOL).instances[f"worker@{POOL.queue_id}"]
    holder = create_holder(instance, POOL, labels={"a": "b"}, limits=True)
    assert {"--uidmap=0:1879048192:65536", "--gidmap=0:1879048192:65536", "--label=a=b"} <= set(holder)
    networks = [word for word in holder if word.startswith("--network=")]
    assert [word.partition("=")[2].partition(":")[0] for word in networks] == [
        item.network.name for item in instance.attachments
    ]
    assert not [word for word in holder if word.startswith(("--secret", "--volume", "--env", "--cap-add"))]
    # With addresses of its own podman 4.3 could not restart it.
    words = words_of(instance)
    joined = f"container:skerry-worker-{POOL.queue_id}-net"
    assert [word for word in words if word.startswith(("--network", "--userns", "--uidmap", "--sysctl", "--dns"))] == [
        f"--userns={joined}",
        f"--network={joined}",
    ]
    assert instance.containers == (f"skerry-worker-{POOL.queue_id}-net", f"skerry-worker-{POOL.queue_id}")
    assert example.plan().instances["store"].containers == ("skerry-store",)


def test_limits_are_left_out_where_the_host_has_none(example: Example) -> None:
    instance = example.plan().instances["prepare"]
    words = create_container(instance, HostFiles({}, Path("/h")), labels={}, limits=False)
    assert not [word for word in words if word.startswith(("--memory", "--pids", "--cpu"))]


def test_who_reaches_nobody_has_no_network_at_all(example: Example) -> None:
    example.services["prepare"]["reaches"] = []
    words = words_of(example.plan().instances["prepare"])
    assert "--network=none" in words
    assert not [word for word in words if word.startswith("--dns")]


def test_networks_and_volumes(example: Example) -> None:
    plan = example.plan()
    inner = create_network(plan.networks["skerry-front--store"], labels={"x": "y"})
    assert inner[:4] == ["network", "create", "--driver=bridge", "--disable-dns"]
    assert "--internal" in inner
    assert inner[-2:] == ["--label=x=y", "skerry-front--store"]
    assert "--internal" not in create_network(plan.networks["skerry-ingress"], labels={})
    assert create_volume(plan.volumes["skerry-store"], labels={})[2] == "--opt=o=uid=2101,gid=2101"


def test_hosts_have_only_whom_it_may_call(example: Example) -> None:
    plan = example.plan()
    assert hosts_file(plan.instances["front"]) == "127.0.0.1 localhost front\n10.213.0.19 store\n"
    assert hosts_file(plan.instances["store"]) == "127.0.0.1 localhost store\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["a", "b"], "a b"),
        (["a b"], '"a b"'),
        ([""], '""'),
        (['say "hi"'], '"say \\"hi\\""'),
        (["$HOME", "100%"], "$$HOME 100%%"),
        (["a\\b"], '"a\\\\b"'),
        (["a\nb"], '"a\\nb"'),
        (["a;b"], '"a;b"'),
        (["it's"], '"it\'s"'),
    ],
)
def test_words_for_systemd(words: list[str], text: str) -> None:
    assert quote(words) == text


def test_quadlet_units_say_what_the_definition_says(example: Example) -> None:
    files = render_quadlet(example.plan(POOL))
    front = files["etc/containers/systemd/skerry-front.container"]
    for line in (
        "Requires=skerry-filter.service skerry-prepare.service",
        "After=skerry-filter.service skerry-prepare.service",
        "Notify=healthy",
        'HealthCmd=["front", "health"]',
        "PublishPort=0.0.0.0:443:8443/tcp",
        "MemoryMax=64M",
        "CPUWeight=100",
        "TasksMax=512",
        "Restart=always",
        "WantedBy=skerry.target",
        "Volume=skerry-store.volume:/data:ro,nocopy",
    ):
        assert line in front.splitlines(), line
    job = files["etc/containers/systemd/skerry-prepare.container"]
    assert "Type=oneshot" in job
    assert "Wants=skerry-store.service" in job
    assert "Restart=" not in job
    worker = files[f"etc/containers/systemd/skerry-worker-{POOL.queue_id}.container"]
    assert "UIDMap=0:1879048192:65536" in worker
    assert "Environment=PRICE=$$1" in worker
    assert "Internal=true" in files["etc/containers/systemd/skerry-front--store.network"]
    assert "Internal=true" not in files["etc/containers/systemd/skerry-ingress.network"]
    assert "User=2101" in files["etc/containers/systemd/skerry-store.volume"]


def test_compose_is_yaml_that_reads_back(example: Example) -> None:
    example.services["store"]["command"] = ["a: b", "#c", "$$HOME", "\u00e9\n", "yes", "- x"]
    text = render_compose(example.plan(POOL))
    assert "UNTESTED" in text.splitlines()[0]
    found: dict[str, Any] = yaml.safe_load(text)
    store = found["services"]["skerry-store"]
    assert store["command"] == ["a: b", "#c", "$$HOME", "\u00e9\n", "yes", "- x"]
    place = {"ipv4_address": "10.213.0.19", "mac_address": "02:53:0a:d5:00:13"}
    assert store["networks"]["skerry-front--store"] == place
    assert found["services"]["skerry-front"]["depends_on"] == {
        "skerry-prepare": {"condition": "service_completed_successfully"}
    }
    assert found["networks"]["skerry-front--store"]["internal"] is True
    assert found["networks"]["skerry-ingress"]["internal"] is False
    assert found["secrets"]["skerry-store-config"] == {"file": "./secrets/store-config"}


def test_yaml_of_odd_keys_and_empty_things() -> None:
    value = {"on": "x", "a b": {}, "1st": [], "n": [{"k": 1, "t": True}], "": "e"}
    assert yaml.safe_load(to_yaml(value)) == value


def test_the_filter_lets_each_client_in_and_nobody_else(example: Example) -> None:
    text = render_nftables(example.plan())
    assert "ip saddr 10.213.0.18 ip daddr 10.213.0.19 tcp dport { 7000 } accept" in text
    assert text.count("tcp dport") == 2, "one line an edge"
    assert text.index("accept\n    ip saddr 10.213.0.0/16 counter drop") > 0
    assert "ip saddr 10.213.0.0/16 ip daddr 10.213.0.0/28 ct state new counter drop" in text
    assert "ip saddr 10.213.0.0/16 ip daddr != 10.213.0.0/16 ct state new counter drop" in text
    assert delete_nftables("skerry").count("delete table") == 2


def test_nothing_published_means_no_ingress(example: Example) -> None:
    example.services["front"].pop("publish")
    plan = example.plan()
    assert plan.ingress is None
    assert "forward" not in render_nftables(plan).split("table inet skerry {")[1]


def test_the_kernel_takes_the_filter(example: Example) -> None:
    if run(["sh", "-c", "command -v nft"], check=False).status != 0 or not Machine().has_capability(12):
        pytest.skip("needs nft and CAP_NET_ADMIN")
    run(["nft", "--check", "-f", "-"], stdin=render_nftables(example.plan(POOL)))


def test_words_survive_a_shell_and_json(example: Example) -> None:
    example.services["store"]["health"] = {"command": ["sh", "-c", 'echo "$$X" \\ %h']}
    plan = example.plan()
    unit = render_quadlet(plan)["etc/containers/systemd/skerry-store.container"]
    line = next(line for line in unit.splitlines() if line.startswith("HealthCmd="))
    text = line.removeprefix("HealthCmd=").replace("%%", "%").replace("$$", "$")
    assert json.loads(text) == ["sh", "-c", 'echo "$X" \\ %h']
    assert shlex.split(shlex.join(plan.instances["store"].health)) == ["sh", "-c", 'echo "$X" \\ %h']
