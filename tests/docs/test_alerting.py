"""docs/alerting.md: Prometheus' own program tests the rules, and logs of real runs hold what it looks for."""

from __future__ import annotations

import json
import re
import subprocess
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import requests
from ruamel.yaml import YAML

from support.meltano import Meltano
from support.programs import program
from support.receiver import Receiver, posted, zipped
from support.sandbox import Sandbox

pytestmark = pytest.mark.kind("process")

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "orchestrate" / "prometheus"
PAGE = (ROOT / "docs" / "alerting.md").read_text(encoding="utf-8")
EXPORTERS = ("node_systemd_", "kube_job_", "up")


def rules() -> dict[str, dict[str, Any]]:
    groups = YAML(typ="safe").load(PROMETHEUS / "rules.yml")["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def metrics_of(expression: str) -> set[str]:
    return set(re.findall(r"\b(receiver_\w+|node_systemd_\w+|kube_job_\w+|up)\b(?=[\[{\s)]|$)", expression))


def promtool(*arguments: str, folder: Path) -> str:
    checked = subprocess.run([program("promtool"), *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return checked.stdout


def test_prometheus_takes_rules_and_configuration(tmp_path: Path) -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", str(PROMETHEUS / "rules.yml"), folder=tmp_path)
    text = (PROMETHEUS / "scrape.yml").read_text(encoding="utf-8")
    for name in re.findall(r"/etc/prometheus/(\S+)", text):
        (tmp_path / name).write_text("token", encoding="utf-8")
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus", str(tmp_path)), encoding="utf-8")
    (tmp_path / "rules.yml").write_bytes((PROMETHEUS / "rules.yml").read_bytes())
    promtool("check", "config", "prometheus.yml", folder=tmp_path)


def test_each_rule_fires_when_it_should_and_is_silent_on_a_good_day(tmp_path: Path) -> None:
    trials = Path(__file__).with_name("alerts.yml")
    tried = YAML(typ="safe").load(trials)
    named = [alert["alertname"] for test in tried["tests"] for alert in test["alert_rule_test"]]
    assert set(named) == set(rules())
    (tmp_path / "rules.yml").write_bytes((PROMETHEUS / "rules.yml").read_bytes())
    (tmp_path / "alerts.yml").write_bytes(trials.read_bytes())
    promtool("test", "rules", "alerts.yml", folder=tmp_path)


def is_logql(query: str) -> bool:
    grammar = ROOT / ".tools" / "logql"
    if not (grammar / "node_modules").exists():
        pytest.skip("Grafana's grammar is not installed; `make .tools/.installed` does it where there is npm")
    node = [program("node"), str(Path(__file__).with_name("logql.mjs")), str(grammar)]
    return subprocess.run(node, input=query, text=True, capture_output=True, check=False).returncode == 0


def test_the_query_for_loki_is_logql() -> None:
    (text,) = re.findall(r"```yaml\n(groups:.*?)```", PAGE, re.DOTALL)
    (rule,) = YAML(typ="safe").load(text)["groups"][0]["rules"]
    assert is_logql(rule["expr"])
    assert not is_logql(rule["expr"].replace("unwrap value", "unwrap"))


def test_the_page_explains_each_rule_and_each_metric() -> None:
    explained = set(re.findall(r"`((?:Receiver|Pipeline)\w+)`", PAGE))
    assert explained == set(rules())
    listed = set(re.findall(r"^\| `(receiver_\w+)`", PAGE, re.MULTILINE))
    used = {name for rule in rules().values() for name in metrics_of(rule["expr"])}
    ours = {re.sub(r"_(count|bucket|sum)$", "", name) for name in used if not name.startswith(EXPORTERS)}
    assert ours
    assert ours <= listed


def test_a_receiver_says_what_the_page_lists(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.post(zipped([posted(1)]))
        said = requests.get(f"{receiver.url}/metrics", timeout=30).text
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", said, re.MULTILINE))
    assert dict(re.findall(r"^\| `(receiver_\w+)` \| (\w+) \|", PAGE, re.MULTILINE)) == kinds
    samples = [line for line in said.splitlines() if not line.startswith("#")]
    assert samples
    assert [line for line in samples if 'connector="tap-split-impressions"' not in line] == []
    assert re.search(r'receiver_responses_total\{.*status="200"\} 1$', said, re.MULTILINE)


def test_the_rule_for_logs_reads_what_a_run_of_meltano_writes(tmp_path: Path, sandbox: Sandbox) -> None:
    meltano = Meltano(tmp_path, sandbox.url)
    rows = [posted(1), posted(2, key="null")]  # Amplitude forbids the second id
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (meltano.impressions / "batch.jsonl").write_text(lines, encoding="utf-8")
    (setting,) = re.findall(r"^Environment=(\w+)=(\w+)$", PAGE, re.MULTILINE)
    log = meltano.succeeds("run", "impressions-as-events", **dict([setting])).stderr

    labels = dict(re.findall(r'(\w+)="((?:\w+\.)*\w+)"', re.search(r"\| json (.+)$", PAGE, re.MULTILINE)[1]))
    found = [labelled for line in log.splitlines() if (labelled := labels_of(line, labels)).get("metric")]
    rejected = [one for one in found if one["metric"] == "records_rejected" and one["reason"]]
    assert [(one["plugin"], one["singer_stream"], one["value"]) for one in rejected] == [
        ("target-amplitude", "impressions", 1)
    ]
    named = set(re.findall(r"^\| `([a-z_]+)` \| (?!counter|gauge|histogram)", PAGE, re.MULTILINE))
    assert len(named) == 5
    assert named - {"records_ambiguous"} <= {one["metric"] for one in found}  # that one is target-split's

    (grep,) = re.findall(r"^journalctl .+\| grep '(.+)'$", PAGE, re.MULTILINE)
    assert [line for line in log.splitlines() if re.search(grep, line)]


def labels_of(line: str, labels: dict[str, str]) -> dict[str, Any]:
    """What Loki's `json` makes of a line: labels by the paths of members."""
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    return {
        label: reduce(lambda at, name: (at or {}).get(name), path.split("."), content) for label, path in labels.items()
    }
