"""Takes requests as fast as it can, and answers as Amplitude does. Prints its address."""

from __future__ import annotations

import socket
import threading
import zlib

ANSWER = b'{"code":200,"events_ingested":%d,"payload_size_bytes":%d}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def serve(connection: socket.socket) -> None:
    """Answer the requests of one connection with the number of events in them."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb") as stream:
        while stream.readline():  # the request line
            length = 0
            while line := stream.readline().strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = zlib.decompress(stream.read(length), wbits=31)
            answer = ANSWER % (body.count(b'"insert_id":'), len(body))
            connection.sendall(HEAD % len(answer) + answer)


server = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{server.getsockname()[1]}", flush=True)
while True:
    connection, _ = server.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
