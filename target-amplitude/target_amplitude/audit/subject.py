"""What the audit of this target is about."""

from __future__ import annotations

from target_amplitude.common.audit.subject import Subject

RECENT_HOURS = 3  # Amplitude makes an hour available about two hours after its end, and uploads follow their records
DEDUPLICATION_HOURS = 7 * 24  # https://amplitude.com/docs/apis/analytics/http-v2, "Event deduplication"

SUBJECT = Subject(
    target="target-amplitude",
    title="Amplitude: what should be there, and what its export holds",
    group="flag",
    columns={
        "expected": "expected",
        "arrived": "arrived",
        "missing": "missing",
        "duplicated": "duplicated",
        "rejected": "rejected",
        "too_recent": "too recent",
    },
    passes={
        "expected": (
            "noted records as expected",
            "Run the source of the load into target-amplitude with 'audit_path' set.",
        ),
        "arrived": (
            "noted exported events",
            "Run tap-amplitude's stream 'events' into target-amplitude with 'audit_path' set.",
        ),
    },
    nothing_arrived="No expected record is in the export: the records are of {first} to {last}, the export covers "
    "uploads of {oldest} to {newest} (UTC). Export the hours in which they were uploaded, from the same project, and "
    "audit with the settings of the load.",
    no_arrivals="The export holds no events with an insert id. Export the hours in which the records were uploaded, "
    "from the same project.",
    notes={
        "too_recent": "Too recent to tell: {count}. They may have been uploaded in the last three hours of "
        "the export, which ends at {newest} UTC, or later. Audit them again then.",
    },
    recent_hours=RECENT_HOURS,
    deduplicated_hours=DEDUPLICATION_HOURS,
    resend="All {missing} missing records are within the 7 days for which Amplitude recognizes an insert_id: sending "
    "them again cannot count them twice.",
    resend_late="{count} of {missing} missing records are older than the 7 days for which Amplitude recognizes an "
    "insert_id. If one of them was accepted after the export was read, sending it again counts it twice.",
)
