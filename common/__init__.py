"""What any connector needs; knows neither Split nor Amplitude. Vendored into each package when it is built."""

from __future__ import annotations
