"""What Amplitude makes of an exposure. No I/O.

Source: https://amplitude.com/docs/feature-experiment/under-the-hood/event-tracking.
"""

from __future__ import annotations

from typing import Any

EXPOSURE = "$exposure"
EXPOSURE_EXPORTED = "[Experiment] Exposure"
RENAMED = {
    "flag_key": "[Experiment] Flag Key",
    "variant": "[Experiment] Variant",
    "experiment_key": "[Experiment] Experiment Key",
}


def exposed_property(event_properties: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The change to the user's properties, and whether the event itself is kept.

    Without a variant the property is removed and the event is not kept; without a flag nothing changes.
    """
    flag, variant = event_properties.get("flag_key"), event_properties.get("variant")
    if not isinstance(flag, str):
        return {}, False
    name = f"[Experiment] {flag}"
    if variant is None:
        return {"$unset": {name: "-"}}, False
    return {"$set": {name: variant}}, True


def renamed(event_properties: dict[str, Any]) -> dict[str, Any]:
    """An exposure's event properties with the names that Amplitude stores."""
    return {RENAMED.get(name, name): value for name, value in event_properties.items()}
