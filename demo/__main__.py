"""`make demo`: run every pipeline against the sandbox and fail if the two sides differ."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demo import compare, data
from demo.compare import Compared
from demo.pipelines import PIPELINES, Outcome, run_pipeline
from demo.processes import BIN, DemoError, run
from demo.report import page
from demo.services import Sandbox, post, receiver, sandbox
from demo.table import outcome_table

ROOT = Path(__file__).parent.parent
# A folder of its own for each of several demos in parallel.
WORK = Path(os.environ.get("DEMO_FOLDER", ROOT / ".demo"))
REPORT = WORK.parent / "demo-report.html"

# Amplitude offers an hour for export three hours after it began. What the demo delivers counts as uploaded earlier, so
# that it can be exported at once; the demo's product events are in the hours before that.
UPLOADED_BEFORE = timedelta(hours=6)
PRODUCTS_FROM = timedelta(hours=9)
PRODUCT_HOURS = 3
START_BEFORE = timedelta(hours=12)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    try:
        shutil.rmtree(WORK, ignore_errors=True)
        WORK.mkdir()
        equal = circle()
    except DemoError as error:
        print(f"\nThe demo failed. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Nothing is left running.", file=sys.stderr)
        return 130
    print(f"\n{time.monotonic() - started:.0f} seconds.")
    print(f"{REPORT.name} charts the run; logs, state, rejects and audit.html are in {WORK.name}/.")
    print("To see what both services hold now: make sandbox")
    return 0 if equal else 1


def circle() -> bool:
    """Run everything; return whether both sides are equal."""
    now = datetime.now(UTC)
    impressions = data.impressions(now)
    products = data.product_events(now.replace(minute=0, second=0, microsecond=0) - PRODUCTS_FROM, PRODUCT_HOURS)
    members = data.cohort_members()

    say("Starting the sandbox of both services")
    with sandbox(WORK / "sandbox", WORK / "sandbox.log", UPLOADED_BEFORE) as services:
        services.store("/amplitude/export-rows", products)
        services.store("/amplitude/cohorts", [data.COHORT | {"members": members}])
        receive(list(data.webhook_batches(impressions)))
        environment = settings(services.url, now - START_BEFORE)
        first, second = (run_all(number, environment) for number in (1, 2))
        print(f"\nFirst run\n{outcome_table(first)}")
        print(f"\nSecond run: nothing is new, so nothing is sent\n{outcome_table(second)}")
        sides = compared(services, impressions, products, members)
        print("\nWhat the services hold now, compared with what was put in")
        print("\n".join(f"  {side.what}: {side.count:,} - {side.verdict}" for side in sides))
        REPORT.write_text(page(first, second, sides), encoding="utf-8")
        print(f"\nThe audit of impressions sent as events, and of events sent to Split\n\n{audit(environment)}")
        return nothing_sent(second) and not any(side.difference for side in sides)


def receive(batches: list[list[dict[str, Any]]]) -> None:
    count = sum(map(len, batches))
    say(f"Posting {count:,} impressions to the receiver in {len(batches)} batches, as Split's webhook does")
    with receiver(WORK / "impressions", WORK / "receiver.log") as url:
        post(url, batches)


def settings(url: str, start: datetime) -> dict[str, str]:
    """Return the environment of the pipelines: the settings that differ from meltano.yml."""
    services = ("TAP_SPLIT_IMPRESSIONS_API_URL", "TAP_AMPLITUDE_API_URL", "TARGET_AMPLITUDE_API_URL")
    return dict.fromkeys((*services, "TARGET_SPLIT_EVENTS_URL", "TARGET_SPLIT_ADMIN_URL"), url) | {
        "TAP_AMPLITUDE_START_DATE": start.isoformat(timespec="seconds"),
        "TAP_SPLIT_IMPRESSIONS_ENVIRONMENTS": json.dumps([compare.ENVIRONMENT]),
        "TARGET_AMPLITUDE_IDENTITY": json.dumps({"user": "user_id", "account": "device_id"}),
        "TAP_SPLIT_IMPRESSIONS_PATH": str(WORK / "impressions"),
        "TARGET_AMPLITUDE_REJECTS_PATH": str(WORK / "rejects-amplitude.jsonl"),
        "TARGET_AMPLITUDE_PROPERTY_TIMES_PATH": str(WORK / "property-times.sqlite"),
        "TARGET_SPLIT_REJECTS_PATH": str(WORK / "rejects-split.jsonl"),
        "TARGET_SPLIT_LEDGER_PATH": str(WORK / "ledger.sqlite"),
        "MELTANO_ENVIRONMENT": "dev",
        "MELTANO_DATABASE_URI": f"sqlite:///{WORK / 'meltano.db'}",
    }


def run_all(number: int, environment: dict[str, str]) -> list[Outcome]:
    """Run every pipeline once."""
    outcomes = []
    for pipeline in PIPELINES:
        say(pipeline.command)
        log = WORK / f"run{number}-{pipeline.tap}-to-{pipeline.target}.log"
        outcomes.append(run_pipeline(pipeline, log, environment))
    return outcomes


def audit(environment: dict[str, str]) -> str:
    """Compare what was sent with what Amplitude exports and the ledger says; return the report, also a page.

    Raises:
        DemoError: Something is missing.
    """
    say("meltano run audit audit-split")
    amplitude, split = WORK / "audit.sqlite", WORK / "audit-split.sqlite"
    files = {"TARGET_AMPLITUDE_AUDIT_AUDIT_PATH": str(amplitude), "TARGET_SPLIT_AUDIT_AUDIT_PATH": str(split)}
    run([BIN / "meltano", "run", "audit", "audit-split"], WORK / "audit.log", environment | files)
    report: list[str | Path] = [BIN / "target-amplitude", "--audit-report", amplitude, "--audit-report", split]
    report += ["--html", WORK / "audit.html"]
    return run(report, WORK / "audit-report.log", environment).strip()


def compared(
    services: Sandbox, impressions: list[dict[str, Any]], products: list[dict[str, Any]], members: list[dict[str, Any]]
) -> list[Compared]:
    """Compare what both services hold with what was put in."""
    rows = compare.distinct(impressions)
    events = services.holds("/amplitude/events")
    users = services.holds("/amplitude/users")
    split_events = services.holds("/split/events")
    segments = services.holds("/split/segments")
    return [
        Compared("Amplitude, get_treatment events", compare.expected_events(rows), compare.stored_events(events)),
        Compared("Amplitude, exposures", compare.expected_exposures(rows), compare.stored_exposures(events)),
        Compared(
            "Amplitude, user properties",
            compare.expected_properties(rows),
            compare.stored_properties(users, data.FLAGS),
        ),
        Compared(
            "Split, events",
            compare.expected_split_events(products),
            compare.stored_split_events(split_events),
        ),
        Compared("Split, keys in the segment", compare.expected_members(members), compare.stored_members(segments)),
    ]


def nothing_sent(outcomes: list[Outcome]) -> bool:
    for outcome in outcomes:
        if sent := outcome.count("records_sent"):
            print(f"  DIFFERS: {outcome.pipeline.command} sent {sent:,} records again in the second run")
    return not any(outcome.count("records_sent") for outcome in outcomes)


def say(text: str) -> None:
    print(f"• {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
