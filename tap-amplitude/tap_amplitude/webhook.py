"""The receiver's ASGI application, for any ASGI server.

    TAP_AMPLITUDE_PATH=/var/lib/amplitude uvicorn --factory tap_amplitude.webhook:create_app

It takes cohort changes and streamed events at the same address. Amplitude counts an answer after one or two seconds as
a failure and sends again: https://amplitude.com/docs/data/destination-catalog/cohort-webhooks
"""

from __future__ import annotations

from functools import partial

from tap_amplitude.common.receiver.assembly import build
from tap_amplitude.files.kinds import FILE_PREFIX
from tap_amplitude.receiver.payloads import lines_of

NAME = "tap-amplitude"
# The address of Amplitude's destinations may be the host alone, or this path below it.
PATHS = ("/", "/amplitude")

# Takes `path`, `token`, `allow_origin`, `storage_options`, `seal_seconds` and `seal_bytes`, all optional.
create_app = partial(build, NAME, dict.fromkeys(PATHS, lines_of), FILE_PREFIX)
