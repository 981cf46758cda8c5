"""What a worker may say of itself."""

from __future__ import annotations

import pytest

from skerry.base.errors import InvalidInputError
from skerry.workers.service import SYSTEM_INFO_LIMIT_CHARS, check_info


def test_a_description_of_a_machine_has_a_limit() -> None:
    assert check_info({"hostname": "a"}) == {"hostname": "a"}
    with pytest.raises(InvalidInputError) as caught:
        check_info({"hostname": "a" * SYSTEM_INFO_LIMIT_CHARS})
    assert caught.value.code == "worker.system_info"
