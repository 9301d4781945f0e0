"""What the audit of this target is about."""

from __future__ import annotations

from target_split.common.audit.subject import Subject

RECENT_HOURS = 3  # events of several hours may be in flight when a run ends

ADVICE = "Run tap-amplitude's stream 'events' into target-split with 'audit_path' set."

SUBJECT = Subject(
    target="target-split",
    title="Split: what Amplitude's export holds, and what the ledger says was accepted",
    group="event type",
    columns={
        "expected": "expected",
        "arrived": "accepted",
        "missing": "missing",
        "ambiguous": "ambiguous",
        "forgotten": "forgotten",
        "rejected": "rejected",
        "skipped": "skipped",
        "too_recent": "too recent",
    },
    passes={
        "expected": ("noted events as expected", ADVICE),
        "arrived": ("looked up all events in the ledger", ADVICE),
    },
    nothing_arrived="The ledger knows none of the expected events.",
    no_arrivals="The ledger knows none of the expected events ({first} to {last} UTC). Audit with the 'ledger_path', "
    "'events_url', 'environment' and 'mappings' of the pipeline that loaded them; ids in the ledger depend on these.",
    notes={
        "ambiguous": "Ambiguous: {count}. Posted, but no answer came, so Split may have them. "
        "They are not written as missing; when the pipeline reads them again, 'on_ambiguous' decides.",
        "forgotten": "Forgotten: {count}. Not in the ledger, but older than it remembers ('ledger_days').",
        "too_recent": "Too recent to tell: {count}. Uploaded in the three hours before the newest "
        "accepted one ({newest} UTC), or later. Audit them after the next run of the pipeline.",
    },
    recent_hours=RECENT_HOURS,
    deduplicated_hours=None,
    resend="Send the {missing} missing events with the 'ledger_path' of the pipeline. What it accepted meanwhile is not"
    " posted twice.",
    resend_late="",
)
