"""MinIO as it is configured: one bucket, one key that is held to it, no console, nothing public."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from minio import Minio, S3Error

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

BUCKET = "skerry"


def with_client(stack: Stack, use: Callable[[Minio], Any]) -> Any:
    """Return what `use` returns for a client with the API's key that stands where the API stands."""

    def connect() -> Any:
        return use(
            Minio(
                endpoint=f"{stack.address('api', 'minio')}:9000",
                access_key="skerry-api",
                secret_key=stack.secret("minio-api"),
                secure=False,
                region="us-east-1",
            )
        )

    return stack.call_from("api", connect)


def get(stack: Stack, path: str) -> httpx.Response:
    """Return the answer to a request without any key."""
    url = f"http://{stack.address('api', 'minio')}:9000{path}"
    return stack.call_from("api", lambda: httpx.get(url, timeout=5, trust_env=False, headers={"user-agent": "Mozilla"}))


def test_the_api_keeps_objects(stack: Stack) -> None:
    def use(client: Minio) -> bytes:
        name = "test/object"
        client.put_object(bucket_name=BUCKET, object_name=name, data=io.BytesIO(b"bytes"), length=5)
        answer = client.get_object(bucket_name=BUCKET, object_name=name)
        try:
            return bytes(answer.read())
        finally:
            answer.release_conn()
            client.remove_object(bucket_name=BUCKET, object_name=name)

    assert with_client(stack, use) == b"bytes"


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.make_bucket(bucket_name="other"),
        lambda client: client.remove_bucket(bucket_name=BUCKET),
        lambda client: client.set_bucket_policy(bucket_name=BUCKET, policy="{}"),
        lambda client: client.delete_bucket_policy(bucket_name=BUCKET),
        lambda client: client.get_bucket_lifecycle(bucket_name=BUCKET),
        lambda client: client.put_object(bucket_name="other", object_name="a", data=io.BytesIO(b""), length=0),
    ],
)
def test_the_api_does_nothing_else(stack: Stack, use: Callable[[Minio], Any]) -> None:
    with pytest.raises(S3Error) as caught:
        with_client(stack, use)
    assert caught.value.code == "AccessDenied"


@pytest.mark.parametrize("path", ["/skerry", "/skerry/test", "/", "/minio/admin/v3/info", "/minio/v2/metrics/cluster"])
def test_without_a_key_nothing_is_shown(stack: Stack, path: str) -> None:
    assert get(stack, path).status_code == 403


def test_there_is_no_console(stack: Stack) -> None:
    ports = stack.listening("minio")
    assert ports == {9000}
