from __future__ import annotations

from skerry.files.setup import bucket_policy


def test_the_policy_names_one_bucket_and_no_administration() -> None:
    policy = bucket_policy("one")
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    resources = {resource for statement in policy["Statement"] for resource in statement["Resource"]}
    assert resources == {"arn:aws:s3:::one", "arn:aws:s3:::one/*"}
    assert {action.split(":")[0] for action in actions} == {"s3"}
    assert not any("*" in action for action in actions)
    assert not actions & {"s3:CreateBucket", "s3:DeleteBucket", "s3:PutBucketPolicy", "s3:ListAllMyBuckets"}
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Allow"}
