"""The manifests for Kubernetes: valid by its own schemas, and right about the image and this project."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

pytestmark = pytest.mark.kind("process")

ROOT = Path(__file__).parents[2]
ORCHESTRATE = ROOT / "orchestrate"
MANIFESTS = [*sorted((ORCHESTRATE / "kubernetes").glob("*.yaml")), ORCHESTRATE / "pod.yaml"]
PAGE = (ROOT / "docs" / "deploy" / "kubernetes.md").read_text(encoding="utf-8")
AIRFLOW = (ROOT / "docs" / "deploy" / "airflow.md").read_text(encoding="utf-8")


def objects(manifest: Path) -> list[Any]:
    return list(YAML(typ="safe").load_all(manifest))


def pod_of(manifest: Path) -> Any:
    """The pod that a manifest runs."""
    (spec,) = [found for one in objects(manifest) if (found := pod_in(one))]
    return spec


def pod_in(one: Any) -> Any:
    if one["kind"] == "Pod":
        return one["spec"]
    if one["kind"] == "CronJob":
        one = one["spec"]["jobTemplate"]
    return one["spec"]["template"]["spec"] if "template" in one["spec"] else None


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_is_valid(manifest: Path) -> None:
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", manifest]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert (checked.stdout + checked.stderr).count(" passed for resource ") == len(objects(manifest))


def test_a_wrong_member_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((ORCHESTRATE / "pod.yaml").read_text().replace("restartPolicy", "restartPolice"), encoding="utf-8")
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", wrong]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_pods_run_the_image_of_the_page_as_its_user(manifest: Path) -> None:
    pod = pod_of(manifest)
    (container,) = pod["containers"]
    assert container["image"] in re.findall(r"--tag (\S+)", PAGE)
    user = re.search(r"^USER (\d+)", (ROOT / "Containerfile").read_text(), re.MULTILINE)[1]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == int(user)


def test_every_volume_is_claimed_by_its_manifest_or_on_the_page_about_airflow() -> None:
    everything = [one for manifest in MANIFESTS for one in objects(manifest)]
    claims = {one["metadata"]["name"] for one in everything if one["kind"] == "PersistentVolumeClaim"}
    volumes = [volume for manifest in MANIFESTS for volume in pod_of(manifest).get("volumes", [])]
    claimed = {volume["persistentVolumeClaim"]["claimName"] for volume in volumes}
    assert claimed
    assert [claim for claim in claimed - claims if claim not in AIRFLOW] == []


def test_the_service_leads_to_the_receiver() -> None:
    deployment, service = objects(ORCHESTRATE / "kubernetes" / "receiver.yaml")
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert f"--port={ports['http']}" in container["command"]
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    (secret,) = [entry["secretRef"]["name"] for entry in container["envFrom"]]
    assert f"kubectl create secret generic {secret} " in PAGE


def test_the_cron_job_runs_a_job_at_its_schedule() -> None:
    project = YAML(typ="safe").load(ROOT / "meltano.yml")
    _, cron = objects(ORCHESTRATE / "kubernetes" / "pipeline.yaml")
    (container,) = pod_of(ORCHESTRATE / "kubernetes" / "pipeline.yaml")["containers"]
    _, job = container["args"]
    assert {"job": job, "interval": cron["spec"]["schedule"]}.items() <= next(
        one for one in project["schedules"] if one["job"] == job
    ).items()
    (secret,) = [entry["secretRef"]["name"] for entry in container["envFrom"]]
    assert f"kubectl create secret generic {secret} " in PAGE
    assert f"cronjob/{cron['metadata']['name']} " in PAGE


def test_the_page_applies_the_files_that_there_are() -> None:
    applied = re.findall(r"--filename (orchestrate/\S+)", PAGE)
    assert len(applied) == 2
    assert [path for path in applied if not (ROOT / path).exists()] == []
