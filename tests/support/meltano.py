"""This repository's own Meltano project, run for real, its state kept apart for each test."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from support.processes import BIN, Result

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 300


class Meltano:
    """Runs `meltano` in this repository, with all services at one URL and everything it writes in one folder."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.project = ROOT
        self.impressions = folder / "impressions"
        self.impressions.mkdir()
        # Meltano keeps a run's catalog and state in files by the plugin's name: two runs would read each other's.
        system = folder / ".meltano"
        system.mkdir()
        for kind in ("extractors", "loaders"):
            (system / kind).symlink_to(ROOT / ".meltano" / kind)
        services = ("TAP_SPLIT_IMPRESSIONS_API_URL", "TAP_AMPLITUDE_API_URL", "TARGET_AMPLITUDE_API_URL")
        self.environment = dict.fromkeys((*services, "TARGET_SPLIT_EVENTS_URL", "TARGET_SPLIT_ADMIN_URL"), url) | {
            "MELTANO_ENVIRONMENT": "dev",
            "MELTANO_AUTO_INSTALL": "false",
            "MELTANO_SYS_DIR_ROOT": str(system),
            "TAP_SPLIT_IMPRESSIONS_PATH": str(self.impressions),
            "TARGET_AMPLITUDE_REJECTS_PATH": str(folder / "rejects-amplitude.jsonl"),
            "TARGET_AMPLITUDE_PROPERTY_TIMES_PATH": str(folder / "property-times.sqlite"),
            "TARGET_SPLIT_REJECTS_PATH": str(folder / "rejects-split.jsonl"),
            "TARGET_SPLIT_LEDGER_PATH": str(folder / "ledger.sqlite"),
        }

    def run(self, *arguments: str, **environment: str) -> Result:
        """Run `meltano ARGUMENTS` to its end; settings by environment variable."""
        process = subprocess.run(
            [str(BIN / "meltano"), *arguments],
            cwd=self.project,
            env=os.environ | self.environment | environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return Result(process.returncode, process.stdout, process.stderr)

    def succeeds(self, *arguments: str, **environment: str) -> Result:
        """Run `meltano ARGUMENTS`, which must end well."""
        result = self.run(*arguments, **environment)
        assert result.code == 0, result.stderr[-3000:]
        return result
