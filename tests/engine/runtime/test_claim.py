from __future__ import annotations

import pytest

from engine.runtime.claim import claimed, until_claimable


def test_one_at_a_time(tmp_path):
    with claimed(str(tmp_path)), pytest.raises(BlockingIOError), claimed(str(tmp_path)):
        pass
    with claimed(str(tmp_path)):
        pass


def test_a_folder_that_is_gone_cannot_be_claimed(tmp_path):
    with pytest.raises(FileNotFoundError), claimed(f"{tmp_path}/none"):
        pass


async def test_waiting_ends_with_the_claim_or_with_patience(tmp_path):
    assert await until_claimable(str(tmp_path), 0)
    assert await until_claimable(f"{tmp_path}/none", 0)
    with claimed(str(tmp_path)):
        assert not await until_claimable(str(tmp_path), 0.03)
