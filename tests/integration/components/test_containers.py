"""What every container has in common: no root, no capabilities, nothing it can write but what is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

NO_CAPABILITIES = "0000000000000000"


def test_no_process_is_root_or_may_become_it(stack: Stack) -> None:
    for service in stack.services():
        for pid in stack.pids(service):
            status = stack.process_status(pid)
            assert status["Uid"].split()[0] != "0", service
            assert status["CapEff"] == NO_CAPABILITIES, service
            assert status["CapBnd"] == NO_CAPABILITIES, service
            assert status["NoNewPrivs"] == "1", service


def test_nothing_of_the_image_can_be_written(stack: Stack) -> None:
    for service in stack.services():
        for folder in ("/", "/usr/bin", "/etc", "/var", "/run"):
            done = stack.inside(service, "bash", "-c", f"echo x > {folder}/skerry-test", check=False)
            assert done.status != 0, f"{service} writes to {folder}"


def test_secrets_are_their_users_own(stack: Stack) -> None:
    for service in stack.services():
        instance = stack.instance(service)
        for secret in instance.secrets:
            found = stack.inside(service, "stat", "--format=%a %u", secret.target).stdout.split()
            assert found == ["400", str(instance.uid)], f"{service}: {secret.target}"


def test_files_of_configuration_cannot_be_written(stack: Stack) -> None:
    for service in stack.services():
        for file in stack.instance(service).definition.files:
            done = stack.inside(service, "bash", "-c", f"[[ ! -w {file.target} ]]", check=False)
            assert done.status == 0, f"{service}: {file.target}"


def test_images_hold_no_setuid_program(stack: Stack) -> None:
    for service in stack.services():
        found = stack.inside(service, "bash", "-c", "find / -xdev -perm /6000 -type f 2>/dev/null || true").stdout
        assert found.strip() == "", f"{service}: {found}"
