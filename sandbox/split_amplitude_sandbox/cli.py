"""The command `split-amplitude-sandbox`."""

from __future__ import annotations

import argparse
import socket
import sqlite3
import sys
from importlib.metadata import version
from pathlib import Path

from split_amplitude_sandbox.app import create_app
from split_amplitude_sandbox.server import serve

DISTRIBUTION = "split-amplitude-sandbox"


def main() -> None:
    """Read the command line and serve until a signal arrives."""
    options = _parser().parse_args()
    try:
        listener = _listener(options.host, options.port)
    except OSError as error:
        sys.exit(f"Cannot listen on {options.host}, port {options.port}: {error.strerror}. Choose another --port.")
    try:
        app = create_app(
            data=options.data,
            upload_time_offset=options.upload_time_offset,
            export_lag_hours=options.export_lag_hours,
        )
    except (OSError, sqlite3.Error) as error:
        sys.exit(f"Cannot keep data in {options.data}: {error}. Choose another folder as --data.")
    serve(app, listener, verbose=options.verbose)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=DISTRIBUTION, description="A local twin of the HTTP APIs of Amplitude and of Split (Harness FME)."
    )
    parser.add_argument("--version", action="version", version=f"{DISTRIBUTION} {version(DISTRIBUTION)}")
    serving = parser.add_subparsers(dest="command", required=True, metavar="serve").add_parser(
        "serve", help="answer requests until stopped", description="Answer requests until stopped."
    )
    serving.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    serving.add_argument("--port", type=int, default=8010, help="port to listen on (default: 8010)")
    serving.add_argument(
        "--data", type=Path, metavar="FOLDER", help="keep data in this folder (default: in memory only)"
    )
    serving.add_argument(
        "--upload-time-offset",
        type=float,
        default=0,
        metavar="SECONDS",
        help="add this to Amplitude's upload time; -14400 makes events exportable at once (default: 0)",
    )
    serving.add_argument(
        "--export-lag-hours",
        type=float,
        default=2,
        metavar="HOURS",
        help="how long after its end an hour can be exported (default: 2, as documented)",
    )
    serving.add_argument("--verbose", action="store_true", help="log each request")
    return parser


def _listener(host: str, port: int) -> socket.socket:
    """A socket bound to host and port.

    Raises:
        OSError: the port is in use, or the host does not belong to this machine.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    return listener
