"""A PostgreSQL server of its own, on a socket in a temporary folder, where one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "postgres"


def programs() -> Path | None:
    """The folder of PostgreSQL's server programs: on the path, or where Debian puts them."""
    found = shutil.which("initdb")
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found).parent if found else kept[-1].parent if kept else None


@contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """Run a server; yield its SQLAlchemy URI."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    # The server refuses to run as root, whose place its package's own user then takes.
    as_user: list[str] = []
    if os.getuid() == 0:
        shutil.chown(folder, USER, USER)
        as_user = ["runuser", "-u", USER, "--"]

    def control(program: str, *arguments: str) -> None:
        subprocess.run(
            [*as_user, str(programs / program), *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )

    try:
        control("initdb", "--no-sync", f"--username={USER}", f"--pgdata={folder}/data")
        options = f"-c listen_addresses='' -k {folder}"
        control("pg_ctl", "start", "--wait", f"--pgdata={folder}/data", f"--log={folder}/log", f"--options={options}")
        try:
            yield f"postgresql+psycopg://{USER}@/{USER}?host={folder}"
        finally:
            control("pg_ctl", "stop", "--wait", "--mode=fast", f"--pgdata={folder}/data")
    finally:
        shutil.rmtree(folder)
