"""What every container has in common: no root, no capabilities, nothing it can write but what is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

NO_CAPABILITIES = "0000000000000000"


def test_no_process_is_root_or_may_become_it(stack: Stack) -> None:
    def wrong(service: str) -> list[str]:
        found = []
        for pid in stack.pids(service):
            status = stack.process_status(pid)
            held = (status["CapEff"], status["CapBnd"], status["NoNewPrivs"])
            if status["Uid"].split()[0] == "0" or held != (NO_CAPABILITIES, NO_CAPABILITIES, "1"):
                found.append(f"{status['Name']}: uid {status['Uid']}, {held}")
        return found

    assert nothing(stack.each(wrong))


def test_nothing_of_the_image_can_be_written(stack: Stack) -> None:
    loop = 'for folder; do (echo x > "$folder/skerry-test") 2>/dev/null && echo "$folder"; done; true'
    folders = ("/", "/usr/bin", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/usr/local/bin", "/var", "/var/tmp")  # noqa: S108
    written = stack.each(lambda service: stack.inside(service, "bash", "-c", loop, "_", *folders).stdout.split())
    assert nothing(written)


def test_secrets_are_their_users_own(stack: Stack) -> None:
    def wrong(service: str) -> list[str]:
        instance = stack.instance(service)
        targets = [secret.target for secret in instance.secrets]
        if not targets:
            return []
        found = stack.inside(service, "stat", "--format=%a %u %n", *targets).stdout.splitlines()
        return sorted(set(found) ^ {f"400 {instance.uid} {target}" for target in targets})

    assert nothing(stack.each(wrong))


def test_files_of_configuration_cannot_be_written(stack: Stack) -> None:
    loop = 'for file; do [[ -w $file ]] && echo "$file"; done; true'

    def written(service: str) -> list[str]:
        targets = [file.target for file in stack.instance(service).definition.files]
        return stack.inside(service, "bash", "-c", loop, "_", *targets).stdout.split()

    assert nothing(stack.each(written))


def test_images_hold_no_setuid_program(stack: Stack) -> None:
    look = "find / -xdev -perm /6000 -type f 2>/dev/null; true"
    assert nothing(stack.each(lambda service: stack.inside(service, "bash", "-c", look).stdout.split()))


def nothing(found: dict[str, list[str]]) -> bool:
    """Return whether no service has anything; what there is stands in the failure's message."""
    assert {service: items for service, items in found.items() if items} == {}
    return True
