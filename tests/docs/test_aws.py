"""The SAM template: linted by AWS's own rules, and right about our handler and its variables."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from support.processes import BIN
from tap_split_impressions.common.receiver.assembly import settings_of
from tap_split_impressions.webhook import NAME

pytestmark = pytest.mark.kind("process")

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "orchestrate" / "aws" / "template.yaml"
PAGE = (ROOT / "docs" / "impressions" / "aws.md").read_text(encoding="utf-8")


def lint(template: Path) -> subprocess.CompletedProcess[str]:
    command = [BIN / "cfn-lint", str(template)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def template() -> Any:
    yaml = YAML()  # keeps CloudFormation's tags as they are
    return yaml.load(TEMPLATE)


def test_the_template_is_clean() -> None:
    checked = lint(TEMPLATE)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_mistake_in_it_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "template.yaml"
    wrong.write_text(TEMPLATE.read_text(encoding="utf-8").replace("VisibilityTimeout: 190", "VisibilityTimeout: many"))
    assert lint(wrong).returncode != 0


def test_the_function_is_the_handler_that_the_page_names(monkeypatch: pytest.MonkeyPatch) -> None:
    function = template()["Resources"]["Receiver"]["Properties"]
    module, _, name = function["Handler"].rpartition(".")
    assert f"`{function['Handler']}`" in PAGE
    source = (ROOT / "tap-split-impressions" / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    assert re.search(rf"^def {name}\(|^{name} = |import .*\b{name}\b", source, re.MULTILINE)
    for variable in function["Environment"]["Variables"]:
        monkeypatch.setenv(variable, f"value of {variable}")
    settings = settings_of(NAME)
    assert settings.path == "value of TAP_SPLIT_IMPRESSIONS_PATH"
    assert settings.options.token == "value of TAP_SPLIT_IMPRESSIONS_WEBHOOK_TOKEN"


def test_failed_messages_come_back_and_none_waits_too_short() -> None:
    resources = template()["Resources"]
    queue, function = resources["Queue"]["Properties"], resources["Receiver"]["Properties"]
    (source,) = function["Events"].values()
    timeout = template()["Globals"]["Function"]["Timeout"]
    assert source["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    # AWS: at least six times the function's time-out, and the batching window.
    assert queue["VisibilityTimeout"] >= 6 * timeout + source["Properties"]["MaximumBatchingWindowInSeconds"]


def test_the_function_may_write_impressions_and_nothing_else() -> None:
    (policy,) = template()["Resources"]["Receiver"]["Properties"]["Policies"]
    (statement,) = policy["Statement"]
    assert statement["Action"] == "s3:PutObject"
    assert "impressions/*" in str(statement["Resource"].value)


def test_the_page_deploys_this_template_with_its_parameters() -> None:
    (deploy,) = re.findall(r"^sam deploy (.+)$", PAGE, re.MULTILINE)
    assert "--template-file orchestrate/aws/template.yaml" in deploy
    needed = {name for name, one in template()["Parameters"].items() if "Default" not in one}
    assert set(re.findall(r'"(\w+)=', deploy)) == needed
    assert all(f"`{name}`" in PAGE for name in ("WebhookUrl", "AllowOrigin"))
    built = re.search(r"pip install --target (\S+)", PAGE)[1]
    assert template()["Resources"]["Receiver"]["Properties"]["CodeUri"] == f"../../{built}"
