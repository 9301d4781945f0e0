"""A folder of data files, local or in an object store: what is in it, and which files have been read."""

from __future__ import annotations
