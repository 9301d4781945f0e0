"""Events that target-amplitude made of Split's own data: to send them to Split would be an echo. Pure."""

from __future__ import annotations

from target_split.common.record_paths import Record

# What target-amplitude writes into an event's `library`, behind which comes its version.
OWN_LIBRARY = "target-amplitude"

# What it calls its events unless it is set up otherwise, and those of Amplitude Experiment that it makes.
OWN_NAMES = ("get_treatment", "$exposure", "[Experiment] Exposure")  # any value may be compared with them

# What Amplitude writes into `library` for events that come by its HTTP API without a library of their own. Events of
# Amplitude's SDKs are never target-amplitude's, whatever their name.
HTTP_LIBRARY = "http/"


def is_own_event(record: Record) -> bool:
    """Whether an exported event was made by target-amplitude: by its library, or by its name where that is not told."""
    library = record.get("library")
    if isinstance(library, str) and library and not library.startswith(HTTP_LIBRARY):
        return library.startswith(OWN_LIBRARY)
    return record.get("event_type") in OWN_NAMES
