"""MkDocs hooks: the READMEs become pages of the site, and links that work in the repository work there.

In the repository a page links to any file by its place. The site has the files of docs/ and the pages below; links to
other files, such as meltano.yml, become their bare text.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
# Pages beside docs/, at the same place in the site as in the repository.
BESIDE = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "tap-split-impressions/README.md",
    "tap-amplitude/README.md",
    "target-amplitude/README.md",
    "target-split/README.md",
    "sandbox/README.md",
)
# The forge draws this picture from its text, for which the site would need a program from elsewhere.
MERMAID = re.compile(r"^```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL)
PICTURE = "![The four connectors between Split and Amplitude](pipelines.svg)"
# What tests read in the first line of a code block, behind its language.
NOTE = re.compile(r"^(```\w+) .*$", re.MULTILINE)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
LOG = logging.getLogger("mkdocs.hooks.site")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for path in BESIDE:
        files.append(File.generated(config, path, content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    source = page.file.src_uri
    place = source if source in BESIDE else f"docs/{source}"

    def turned(link: re.Match[str]) -> str:
        picture, text, target, anchor = link[1], link[2], link[3], link[4] or ""
        if "://" in target:
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
        if not (ROOT / path).exists():
            LOG.warning("%s links to %s, which does not exist", place, target)
        goal = path if path in BESIDE else path.removeprefix("docs/")
        if (goal.endswith(".md") or picture) and (goal in BESIDE or path.startswith("docs/")):
            return f"{picture}[{text}]({posixpath.relpath(goal, posixpath.dirname(source) or '.')}{anchor})"
        return text

    return MERMAID.sub(PICTURE, NOTE.sub(r"\1", LINK.sub(turned, markdown)))
