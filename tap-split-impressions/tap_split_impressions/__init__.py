"""Singer tap for the feature-flag impressions of Split (Harness FME), with the receiver that stores them."""

from __future__ import annotations
