"""The receiver's ASGI application, for any ASGI server.

    TAP_SPLIT_IMPRESSIONS_PATH=/var/lib/impressions uvicorn --factory tap_split_impressions.webhook:create_app

Split sends a batch again once, 300 ms after any answer but 200, and then gives it up, so whatever can be stored is.
https://developer.harness.io/docs/feature-management-experimentation/api/webhook/impressions
"""

from __future__ import annotations

from functools import partial

from tap_split_impressions.common.receiver.assembly import build
from tap_split_impressions.receiver.payloads import lines_of

NAME = "tap-split-impressions"
FILE_PREFIX = "impressions"

# Takes `path`, `token`, `allow_origin`, `storage_options`, `seal_seconds` and `seal_bytes`, all optional.
create_app = partial(build, NAME, {"/": lines_of}, FILE_PREFIX)
