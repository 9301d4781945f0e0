"""`python -m tools.about`: write what each connector's `--about` says into meltano.yml, the READMEs and docs/hub/.

`--about` is the one source of settings. `--check` changes nothing and fails when a file does not agree with it.
"""

from __future__ import annotations

import argparse
import sys

from tools import hub, settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.about", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a file does not agree")
    check = parser.parse_args().check
    abouts = {name: settings.about(name) for names in settings.PLUGINS.values() for name in names}
    for path, text in (settings.wanted_files(abouts) | hub.wanted_files(abouts)).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            if check:
                sys.exit(f"{path.relative_to(settings.ROOT)} does not agree with --about. Run: make settings")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
