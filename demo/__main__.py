"""`make demo`: run the circle against the sandbox and fail if the two sides differ."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import requests

from demo import compare, data
from demo.pipelines import PIPELINES, Outcome, run_pipeline
from demo.processes import BIN, DemoError, await_answer, run, running
from demo.table import outcome_table

ROOT = Path(__file__).parent.parent
WORK = ROOT / ".demo"
SANDBOX = "http://127.0.0.1:8010"
RECEIVER = "http://127.0.0.1:8011"

# Amplitude offers an hour for export three hours after it began. What the demo delivers is dated back, so that it can
# be exported at once; the shipped product events lie in the hours before.
UPLOADED_BEFORE = timedelta(hours=6)
PRODUCT_HOURS = 3

ENVIRONMENT = {
    "TARGET_AMPLITUDE__IDENTITY": json.dumps({"user": "user_id", "account": "device_id"}),
    "TAP_AMPLITUDE__START_DATE": "",
    "MELTANO_DATABASE_URI": f"sqlite:///{WORK / 'meltano.db'}",
}


def main() -> int:
    """Run the demo; return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            differences = circle(stack)
    except DemoError as error:
        print(f"\nThe demo failed. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Nothing is left running.", file=sys.stderr)
        return 130
    print(f"\n{time.monotonic() - started:.0f} seconds. Logs, states and rejects are in {WORK.relative_to(ROOT)}/.")
    return 1 if differences else 0


def circle(stack: ExitStack) -> bool:
    """Run everything; return whether the two sides differ."""
    shutil.rmtree(WORK, ignore_errors=True)
    (WORK / "impressions").mkdir(parents=True)
    say("Installing the four plugins with Meltano")
    run([BIN / "meltano", "install"], WORK / "install.log", ENVIRONMENT)

    say(f"Starting the sandbox at {SANDBOX}")
    stack.enter_context(sandbox())
    now = datetime.now(timezone.utc)
    products = data.product_events(now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=9), PRODUCT_HOURS)
    control("/amplitude/export-rows", products)
    members = data.cohort_members()
    control("/amplitude/cohorts", [data.COHORT | {"members": members}])

    impressions = data.impressions(now)
    batches = list(data.webhook_batches(impressions))
    posted = sum(map(len, batches))
    say(f"Posting {posted:,} impressions to the receiver in {len(batches)} batches, as Split's webhook does")
    with receiver():
        post(batches)

    environment = ENVIRONMENT | {"TAP_AMPLITUDE_START_DATE": (now - timedelta(hours=12)).isoformat(timespec="seconds")}
    rounds = [run_all(number, environment) for number in (1, 2)]
    for title, outcomes in zip(("First run", "Second run: nothing is new, so nothing is sent"), rounds, strict=True):
        print(f"\n{title}\n{outcome_table(outcomes)}")
    return report(compared(impressions, products, members), rounds[1])


def run_all(number: int, environment: dict[str, str]) -> list[Outcome]:
    """Run every pipeline once."""
    outcomes = []
    for pipeline in PIPELINES:
        say(pipeline.command)
        log = WORK / f"run{number}-{pipeline.tap}-to-{pipeline.target}.log"
        outcomes.append(run_pipeline(pipeline, log, environment))
    return outcomes


@contextmanager
def sandbox() -> Iterator[None]:
    """Run the sandbox, what arrives in it dated back."""
    offset = f"--upload-time-offset=-{int(UPLOADED_BEFORE.total_seconds())}"
    log = WORK / "sandbox.log"
    with running([BIN / "split-amplitude-sandbox", "serve", "--port", "8010", offset], log) as process:
        await_answer(f"{SANDBOX}/_sandbox/faults", process, "sandbox", log)
        yield


@contextmanager
def receiver() -> Iterator[None]:
    """Run the receiver over the folder that the tap reads."""
    log = WORK / "receiver.log"
    command: list[str | Path] = [
        BIN / "tap-split-impressions-webhook",
        "--path",
        WORK / "impressions",
        "--port",
        "8011",
    ]
    with running(command, log) as process:
        await_answer(f"{RECEIVER}/health", process, "receiver", log)
        yield


def post(batches: list[list[dict[str, Any]]]) -> None:
    """Post batches to the receiver: gzipped JSON arrays, without a header that says so."""
    with requests.Session() as session:
        for batch in batches:
            body = gzip.compress(json.dumps(batch).encode(), 6)
            answer = session.post(RECEIVER, body, headers={"Content-Type": "application/json"}, timeout=30)
            if answer.status_code != 200:
                raise DemoError(f"The receiver answered {answer.status_code}.")


def compared(
    impressions: list[dict[str, Any]], products: list[dict[str, Any]], members: list[dict[str, Any]]
) -> list[tuple[str, int, str]]:
    """Compare both sides; return what was compared, how much of it there is, and how it differs."""
    events = control("/amplitude/events")
    rows = compare.distinct(impressions)
    pairs: list[tuple[str, Any, Any]] = [
        ("Amplitude: get_treatment events", compare.expected_events(rows), compare.stored_events(events)),
        ("Amplitude: exposures", compare.expected_exposures(rows), compare.stored_exposures(events)),
        (
            "Amplitude: user properties",
            compare.expected_properties(rows),
            compare.stored_properties(control("/amplitude/users"), data.FLAGS),
        ),
        (
            "Split: events",
            compare.expected_split_events(products, events),
            compare.stored_split_events(control("/split/events")),
        ),
        (
            "Split: keys in the segment",
            compare.expected_members(members),
            compare.stored_members(control("/split/segments")),
        ),
    ]
    return [(what, len(list(found)), compare.difference(expected, found)) for what, expected, found in pairs]


def report(comparison: list[tuple[str, int, str]], second: list[Outcome]) -> bool:
    """Print what both services hold; return whether anything is not as it must be."""
    print("\nWhat the services hold now, compared with what was put in")
    for what, count, difference in comparison:
        print(f"  {'DIFFERS' if difference else 'equal  '}  {what}: {count:,}{'; ' + difference if difference else ''}")
    again = [outcome for outcome in second if outcome.count("records_sent")]
    for outcome in again:
        print(f"  DIFFERS  {outcome.pipeline.command} sent {outcome.count('records_sent'):,} again in the second run")
    return bool(again) or any(difference for _, _, difference in comparison)


def control(path: str, body: Any = None) -> Any:
    """Call the sandbox's own API: store something (with a body), or list what it holds."""
    answer = requests.request("GET" if body is None else "POST", f"{SANDBOX}/_sandbox{path}", json=body, timeout=60)
    answer.raise_for_status()
    lines = answer.headers.get("Content-Type", "").startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.split("\n") if line] if lines else answer.json()


def say(text: str) -> None:
    """Tell what comes next."""
    print(f"• {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
