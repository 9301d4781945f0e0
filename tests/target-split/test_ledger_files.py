"""The ledger's file: private, whole, and refused when it is anything else."""

from __future__ import annotations

import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from support.ledger import IDS, accept, opened
from target_split.common.errors import ConnectorError


def refusal(path: str) -> str:
    with pytest.raises(ConnectorError) as error:
        opened(path)
    assert "'ledger_path'" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder"])
def test_what_is_not_a_file_of_ours_is_refused(path: str, kind: str):
    target = Path(path).with_name("elsewhere")
    if kind == "folder":
        Path(path).mkdir()
    else:
        Path(path).symlink_to(target)
    if kind == "link":
        opened(str(target)).close()
    assert ("symbolic link" if "link" in kind else "not a file") in refusal(path)


def test_a_file_that_others_can_read_is_made_private(path: str):
    opened(path).close()
    Path(path).chmod(0o644)
    opened(path).close()
    assert Path(path).stat().st_mode & 0o777 == 0o600


def test_a_file_in_use_is_said(path: str):
    first = opened(path)
    assert "in use by another run" in refusal(path)
    first.close()


def test_a_broken_file_is_said_and_left_as_it_is(path: str):
    content = b"this is no database, whatever its name says" * 100
    Path(path).write_bytes(content)
    assert "damaged" in refusal(path)
    assert Path(path).read_bytes() == content


def test_an_empty_file_is_said(path: str):
    Path(path).touch()
    assert "is empty" in refusal(path)


def test_a_full_disk_leaves_no_half_made_ledger(path: str):
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, unlimited[1]))
    try:
        assert "cannot be used" in refusal(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert list(Path(path).parent.iterdir()) == []
    opened(path).close()


def test_a_new_ledger_takes_nothing_of_one_moved_away(path: str):
    killed = opened(path)
    accept(killed, IDS[:100])
    rest = Path(f"{path}-wal").read_bytes()
    killed.close()
    Path(path).unlink()
    Path(f"{path}-wal").write_bytes(rest)
    ledger = opened(path)
    assert len(ledger.sift(IDS[:100]).fresh) == 100
    ledger.close()


def test_a_file_cut_off_is_said(path: str):
    ledger = opened(path)
    for start in range(0, 3_000, 500):
        accept(ledger, IDS[start : start + 500])
    ledger.close()
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])
    assert "damaged" in refusal(path)


def test_another_database_is_said(path: str):
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE customers (id INTEGER)")
    assert "not a ledger of this target" in refusal(path)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path):
    assert "does not exist" in refusal(str(tmp_path / "nowhere" / "ledger.sqlite"))
