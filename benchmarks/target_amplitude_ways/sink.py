"""Takes requests as fast as it can, and answers as Amplitude does. Prints its address."""

from __future__ import annotations

import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers every POST with 200 and the number of events in it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = zlib.decompress(self.rfile.read(int(self.headers["Content-Length"])), wbits=31)
        count = body.count(b'"insert_id":')
        answer = b'{"code":200,"events_ingested":%d,"payload_size_bytes":%d,"server_upload_time":1}' % (
            count,
            len(body),
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        """Stay silent."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
