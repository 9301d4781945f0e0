"""What holds on every page: how to install, where things are, what is not confirmed, and how a page opens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = sorted(ROOT.glob("docs/**/*.md"))
PAGES = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *DOCS]}
OTHERS = [*ROOT.glob("*/README.md"), ROOT / "CONTRIBUTING.md", ROOT / "Containerfile", *ROOT.glob("orchestrate/**/*.*")]
TEXTS = PAGES | {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in OTHERS if path.suffix != ".pyc"
}

# Programs of others, which are on the package index under these names.
ON_THE_INDEX = {"meltano", "splitio_client"}
REPOSITORY = re.compile(r"(?:([\w.-]+)(?:\[[\w,]+\])? @ )?git\+REPOSITORY#subdirectory=([\w-]+)")
WITH_VALUE = {"--target", "-r"}
NOTE = "† Not confirmed with a real account"
# Words that promise a price, which no real account has confirmed for flags of another vendor.
UNBILLED = re.compile(r"exempt|not billed|unbilled|(?:not|don't|doesn't) count toward|no event volume", re.IGNORECASE)


def installed() -> list[tuple[str, str]]:
    """What `pip install` is told to install anywhere, with the page that says so."""
    found = []
    for page, text in TEXTS.items():
        for line in re.findall(r"pip install ([^\n`]+)", text):
            words = iter(shlex.split(re.split(r" && | \|\| |;", line)[0], comments=True))
            for word in words:
                if word in WITH_VALUE:
                    next(words)
                elif not word.startswith("-"):
                    found.append((page, word))
    return found


def project_name(folder: str) -> str:
    text = (ROOT / folder / "pyproject.toml").read_text(encoding="utf-8")
    return re.search(r'^name = "(.+)"', text, re.MULTILINE)[1]


def test_nothing_of_ours_is_installed_by_a_name_from_the_index() -> None:
    told = installed()
    assert len(told) > 10
    for page, what in told:
        if from_repository := REPOSITORY.fullmatch(what):
            name, folder = from_repository.groups()
            assert name in (None, project_name(folder)), (page, what)
        elif what.startswith("./"):
            assert (ROOT / what.partition("[")[0] / "pyproject.toml").exists(), (page, what)
        else:
            assert re.split(r"[\[=<>]", what)[0] in ON_THE_INDEX, (page, what)


def test_the_placeholder_is_explained_once() -> None:
    assert [page for page, text in TEXTS.items() if "`REPOSITORY` stands for" in text] == ["README.md"]
    users = [page for page, text in PAGES.items() if "REPOSITORY" in text and page != "README.md"]
    assert len(users) > 3
    assert [page for page in users if "Install" not in PAGES[page] and "#install)" not in PAGES[page]] == []
    addresses = {word for text in TEXTS.values() for word in re.findall(r"git\+(\w+)", text)}
    assert addresses == {"REPOSITORY"}


@pytest.mark.parametrize("page", [page for page in PAGES if page != "README.md"])
def test_a_page_opens_with_what_it_gives_and_needs(page: str) -> None:
    title, blank, opening = PAGES[page].split("\n", 2)
    assert title.startswith("# ")
    assert blank == ""
    assert re.match(r"\*\*What you get:\*\* .+?\n\*\*What you need:\*\* ", opening, re.DOTALL)


def test_one_place_for_everything() -> None:
    folders, hosts = set(), set()
    for name, text in TEXTS.items():
        folders |= {(name, path) for path in re.findall(r"(?<![\w.])/(?:var/lib|opt|etc)/[\w.@/-]+", text)}
        hosts |= set(re.findall(r"\bhttps?://([\w.-]*example\.com)", text))
    ours = {(name, path) for name, path in folders if "split" in path or "impressions" in path or "amplitude" in path}
    assert len(ours) > 10
    allowed = re.compile(
        r"/var/lib/split-amplitude(/(impressions|amplitude|state)\b.*)?|/opt/split-amplitude\b.*|/etc/split-amplitude\b.*"
        r"|/etc/[\w./@-]+/(split-amplitude|impressions-receiver|amplitude-receiver)([@.][\w@.-]+)?"
        r"|/etc/prometheus/(impressions|amplitude)-receiver\.token"
    )
    assert [(name, path) for name, path in sorted(ours) if not allowed.fullmatch(path.rstrip("/."))] == []
    assert hosts == {
        "hooks.example.com",
        "www.example.com",  # the user's own web site
        "git.example.com",
        "alerts.example.com",
        "minio.example.com",
    }


def test_one_statement_about_network_file_systems() -> None:
    statement = re.search(r"\*\*Network file systems\.\*\*.+?(?=\n\n)", PAGES["docs/deploy/index.md"], re.DOTALL)[0]
    speaking = [page for page, text in PAGES.items() if re.search(r"\bNFS\b|\bEFS\b|\bSMB\b|ReadWriteMany", text)]
    assert len(speaking) >= 5
    assert [page for page in speaking if statement not in PAGES[page]] == []
    assert [page for page in speaking if len(re.findall(r"\bNFS\b", PAGES[page])) != 1] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_dagger_is_explained_where_it_stands(page: str) -> None:
    text = PAGES[page]
    body = text.replace(NOTE, "")
    explained = NOTE in text or page == "README.md"
    assert ("†" in body) <= explained
    assert (NOTE in text) <= ("†" in body)


def test_no_price_is_promised_that_no_account_confirmed() -> None:
    lines = [line for page in PAGES.values() for line in page.splitlines() if UNBILLED.search(line)]
    promising = [line for line in lines if re.search(r"exposure|identif|user propert", line, re.IGNORECASE)]
    assert promising
    assert [line for line in promising if "†" not in line] == []
