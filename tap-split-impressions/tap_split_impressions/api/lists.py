"""The lists of one workspace (Harness: project), over either API, in the shapes of the Admin API v2.

Each is fetched once. Every list may raise `ConnectorError`: Split refuses it, or the retry deadline is over.
"""

from __future__ import annotations

from tap_split_impressions.api.admin_v2 import AdminV2
from tap_split_impressions.api.admin_v4 import AdminV4

AdminLists = AdminV2 | AdminV4
