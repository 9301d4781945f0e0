"""How many ambiguous records a run's log tells of, whether it could finish or not."""

from __future__ import annotations

from faults.logs import ambiguous

SAID = (
    "WARNING | target-split | An earlier run ended while 1,200 events of stream 'events' had no answer yet: …\n"
    "WARNING | target-split | Ambiguous (no answer (60 s)), sent again: 3 events of stream 'events' with …\n"
    "WARNING | target-split | Ambiguous (Split answered 504), skipped: 1 event of stream 'events' with …\n"
)
CLOSING = "INFO | target-split | Done: 9 read\nMETRIC: "


def test_before_a_kill_it_is_what_was_said_at_once() -> None:
    assert ambiguous(SAID) == 1_204


def test_the_closing_summary_has_the_last_word() -> None:
    assert (
        ambiguous(SAID + CLOSING + '{"metric":"records_ambiguous","value":7}\n{"metric":"records_ambiguous","value":2}')
        == 9
    )
    assert ambiguous(SAID + CLOSING) == 0
    assert ambiguous("INFO | tap-amplitude | Done: 9 read") == 0
