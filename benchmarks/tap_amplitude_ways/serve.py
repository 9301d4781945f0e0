"""Serves one archive as the Export API does, to whoever asks. Prints its address."""

from __future__ import annotations

import shutil
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ARCHIVE = Path(sys.argv[1])


class Handler(BaseHTTPRequestHandler):
    """Answers every GET with the archive."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(ARCHIVE.stat().st_size))
        self.end_headers()
        with ARCHIVE.open("rb") as archive:
            shutil.copyfileobj(archive, self.wfile, 1 << 18)

    def log_message(self, *arguments: object) -> None:
        """Stay silent."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
