"""The job `storage`: make the bucket, the API's own S3 key, and the policy that holds this key to the bucket.

Contract: may run again at any time. What is there is brought to what this release wants (also a changed secret key),
nothing is deleted. Root's credentials are used here only; the key made here can list, read, write and delete objects
of the one bucket, and can neither make buckets nor manage anything. Sources: MinIO's IAM documentation (service
account with a policy of its own), the S3 action names of AWS.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, MinioException
from urllib3.exceptions import HTTPError

from skerry.base.errors import SkerryError, UnavailableError
from skerry.kit.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT_USER: Final = "skerry-root"
API_USER: Final = "skerry-api"
REGION: Final = "us-east-1"
DEADLINE_S: Final = 20.0
"""Seconds one request may take."""


def bucket_policy(bucket: str) -> dict[str, Any]:
    """Return the policy of the API's key in the S3 policy language: objects of one bucket, nothing else."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
                "Resource": [f"arn:aws:s3:::{bucket}"],
            },
            {
                "Effect": "Allow",
                "Action": [
                    "s3:AbortMultipartUpload",
                    "s3:DeleteObject",
                    "s3:GetObject",
                    "s3:ListMultipartUploadParts",
                    "s3:PutObject",
                ],
                "Resource": [f"arn:aws:s3:::{bucket}/*"],
            },
        ],
    }


def set_up(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Bring the object store to what this release wants.

    Args:
        settings: `s3`, `s3_bucket` and the secrets `minio-root-password` and `minio-api`.
        say: told what was done, a line at a time.

    Raises:
        UnavailableError: `storage.unavailable` when MinIO does not answer, `storage.refused` when it answers no.
    """
    bucket = settings.s3_bucket
    password = settings.secrets.text("minio-root-password")
    try:
        _make_bucket(_client(settings, ROOT_USER, password), bucket, say=say)
        _make_key(_admin(settings, password), bucket, secret=settings.secrets.text("minio-api"), say=say)
        found = _client(settings, API_USER, settings.secrets.text("minio-api")).bucket_exists(bucket)
    except HTTPError as error:
        raise UnavailableError(
            "storage.unavailable", f"MinIO at {settings.s3} does not answer: {error}", "see `skerry stack logs minio`"
        ) from error
    except (MinioException, MinioAdminException, ValueError) as error:
        raise UnavailableError(
            "storage.refused", f"MinIO at {settings.s3} refused: {error}", "see `skerry stack logs minio`"
        ) from error
    if not found:
        raise UnavailableError("storage.refused", f"{API_USER} does not see the bucket {bucket}", "run the job again")
    say(f"the key {API_USER} sees the bucket {bucket}")


def _make_bucket(client: Minio, bucket: str, *, say: Callable[[str], None]) -> None:
    if client.bucket_exists(bucket):
        say(f"bucket {bucket} is there")
        return
    client.make_bucket(bucket)
    say(f"bucket {bucket} made")


def _make_key(admin: MinioAdmin, bucket: str, *, secret: str, say: Callable[[str], None]) -> None:
    accounts = json.loads(admin.list_service_account(ROOT_USER)).get("accounts") or []
    policy = bucket_policy(bucket)
    if any(account.get("accessKey") == API_USER for account in accounts):
        admin.update_service_account(access_key=API_USER, secret_key=secret, policy=policy)
        say(f"key {API_USER} brought to this release")
        return
    admin.add_service_account(
        access_key=API_USER, secret_key=secret, name=API_USER, description="the API of Skerry", policy=policy
    )
    say(f"key {API_USER} made")


def _client(settings: Settings, user: str, secret: str) -> Minio:
    return Minio(
        endpoint=str(settings.s3),
        access_key=user,
        secret_key=secret,
        region=REGION,
        secure=False,  # an internal network of two; TLS to people ends at the edge
        http_client=_pool(),
    )


def _admin(settings: Settings, password: str) -> MinioAdmin:
    return MinioAdmin(
        endpoint=str(settings.s3),
        credentials=StaticProvider(ROOT_USER, password),
        region=REGION,
        secure=False,  # an internal network of two; TLS to people ends at the edge
        http_client=_pool(),
    )


def _pool() -> urllib3.PoolManager:
    retry = urllib3.Retry(total=3, backoff_factor=0.5, status_forcelist=(502, 503, 504))
    return urllib3.PoolManager(timeout=urllib3.Timeout(DEADLINE_S), retries=retry)


def main() -> int:
    """Run the job; 0 when done, 1 with two lines on standard error when not."""
    try:
        set_up(load_settings(), say=lambda line: print(line, flush=True))  # noqa: T201  a job's log is its output
    except SkerryError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
