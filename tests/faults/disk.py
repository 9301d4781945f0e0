"""A small disk of its own that can be full for a while."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

# tap-amplitude leaves 16 MB of a disk to others, so that it takes a smaller one for full.
DISK_BYTES = 48_000_000
PAGE_BYTES = 4_096
BLOCK_BYTES = 1 << 20


class Disk:
    """A file system in memory, mounted at a folder of its own. Only root may; others get no disk.

    Raises:
        PermissionError: It cannot be mounted.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="faults-disk-"))
        self._filler = self.folder / "filler"
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "faults", str(self.folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            self.folder.rmdir()
            raise PermissionError(f"{self.folder} cannot be a file system of its own")

    def fill(self, leave: int) -> None:
        """Leave this many bytes free, in whole pages."""
        with self._filler.open("wb", buffering=0) as file:
            for size in (BLOCK_BYTES, PAGE_BYTES):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    pass
            file.truncate(max(0, file.tell() - leave // PAGE_BYTES * PAGE_BYTES))

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount it, whoever may still use it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True, check=False)
        self.folder.rmdir()
