"""The edge as it is configured: three TLS listeners, our names only, and what goes through them."""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import urllib3
from minio import Minio
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import TLSConfig

from skerry.client.context import FILE_NAME, read_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

LISTENERS = ("https", "temporal", "s3")


def context(stack: Stack) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(stack.ca_certificate))


def client_of(stack: Stack) -> httpx.Client:
    url = f"https://{stack.site_name}:{stack.published('https')}"
    return httpx.Client(base_url=url, verify=context(stack), trust_env=False, timeout=60)


def get(stack: Stack, path: str, *, host: str | None = None, **options: Any) -> httpx.Response:
    """Return the edge's answer to a request from the host."""
    headers = {"host": host} if host else {}
    url = f"https://{stack.site_name}:{stack.published('https')}{path}"
    with httpx.Client(verify=context(stack), trust_env=False, timeout=10) as client:
        return client.request(options.pop("method", "GET"), url, headers=headers, **options)


def test_the_api_answers_behind_it(stack: Stack) -> None:
    answer = get(stack, "/api/health")
    assert answer.status_code == 200


def test_answers_carry_the_headers_of_a_careful_site(stack: Stack) -> None:
    headers = get(stack, "/api/health").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src" in headers["content-security-policy"]
    assert "server" not in headers
    assert "alt-svc" not in headers


@pytest.mark.parametrize("port", LISTENERS)
def test_each_listener_has_a_certificate_of_the_internal_authority(stack: Stack, port: str) -> None:
    with (
        socket.create_connection(("127.0.0.1", stack.published(port)), 5) as plain,
        context(stack).wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        assert tls.version() in {"TLSv1.2", "TLSv1.3"}


@pytest.mark.parametrize("port", LISTENERS)
def test_a_name_that_is_not_ours_gets_no_certificate(stack: Stack, port: str) -> None:
    with (
        socket.create_connection(("127.0.0.1", stack.published(port)), 5) as plain,
        pytest.raises(ssl.SSLError),
    ):
        context(stack).wrap_socket(plain, server_hostname="somebody.example.org")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("port", LISTENERS)
def test_old_protocols_and_plain_text_are_refused(stack: Stack, port: str) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.maximum_version = ssl.TLSVersion.TLSv1_1  # type: ignore[assignment, unused-ignore]
    with socket.create_connection(("127.0.0.1", stack.published(port)), 5) as plain, pytest.raises(OSError):  # noqa: PT011
        old.wrap_socket(plain, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", stack.published(port)), 5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" not in plain.recv(200).split(b"\r\n")[0]


def test_a_host_that_is_not_ours_gets_nothing(stack: Stack) -> None:
    assert get(stack, "/api/health", host="somebody.example.org").status_code == 421


def key_of(stack: Stack) -> dict[str, str]:
    return {"authorization": f"Bearer {read_context(stack.state.root / FILE_NAME).key}"}


def pieces(mib: int) -> Iterator[bytes]:
    for _ in range(mib):
        yield bytes(1 << 20)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("path", "mib", "times", "with_key", "status", "code"),
    [
        ("/api/v1/agents", 5, 20, True, 413, "request.too_large"),
        ("/api/v1/agents", 120, 1, False, 413, "request.too_large"),
        ("/api/v1/storage/files/upload", 20, 20, False, 401, "auth.no_token"),
    ],
)
def test_what_the_api_says_of_a_body_it_refuses_comes_through(  # noqa: PLR0913  one parameter a column
    stack: Stack, path: str, mib: int, times: int, *, with_key: bool, status: int, code: str, declared: bool
) -> None:
    """An API that answers without reading leaves the edge sending: that was 502, every tenth time."""
    kind = "application/octet-stream" if path.endswith("upload") else "application/json"
    headers = {"content-type": kind, **(key_of(stack) if with_key else {})}
    if declared:
        headers["content-length"] = str(mib << 20)
    with client_of(stack) as client:
        for _ in range(times):
            answer = client.post(path, content=pieces(mib), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_body_that_is_too_large_for_the_edge_is_refused(stack: Stack) -> None:
    with client_of(stack) as client:
        try:
            answer = client.post("/api/v1/agents", content=pieces(260), headers=key_of(stack))
        except httpx.TransportError:
            return
    assert answer.status_code == 413


def test_temporal_is_reached_with_a_token(stack: Stack) -> None:
    async def look() -> bool:
        client = await Client.connect(
            f"{stack.site_name}:{stack.published('temporal')}",
            tls=TLSConfig(server_root_ca_cert=stack.ca_certificate.read_bytes()),
            rpc_metadata={"authorization": "Bearer " + stack.mint({"aud": "temporal", "permissions": []})},
            lazy=True,
            connect_timeout=timedelta(seconds=5),
            runtime=Runtime(telemetry=TelemetryConfig()),
        )
        return bool(await client.service_client.check_health())

    assert asyncio.run(look())


def test_objects_are_kept_and_presigned_for_the_public_name(stack: Stack) -> None:
    place = f"{stack.site_name}:{stack.published('s3')}"
    pool = urllib3.PoolManager(ca_certs=str(stack.ca_certificate))
    client = Minio(
        endpoint=place,
        access_key="skerry-api",
        secret_key=stack.secret("minio-api"),
        region="us-east-1",
        http_client=pool,
    )
    name, data = "test/edge object", b"x" * 100_000
    try:
        client.put_object(bucket_name="skerry", object_name=name, data=io.BytesIO(data), length=len(data))
        url = client.presigned_get_object(bucket_name="skerry", object_name=name, expires=timedelta(seconds=60))
        with httpx.Client(verify=context(stack), trust_env=False) as plain:
            assert plain.get(url).content == data
            assert plain.get(url.split("?")[0]).status_code == 403
            assert plain.get(f"https://{place}/minio/health/live").status_code == 404
            assert plain.get(f"https://{place}/minio/admin/v3/info").status_code == 404
        signature = url.split("X-Amz-Signature=")[1]
        assert signature not in stack.logs("edge")
    finally:
        client.remove_object(bucket_name="skerry", object_name=name)


def test_it_listens_where_it_says(stack: Stack) -> None:
    assert stack.listening("edge") == {8443, 7233, 9000}
    assert stack.listening("edge", protocol="udp") == set()
