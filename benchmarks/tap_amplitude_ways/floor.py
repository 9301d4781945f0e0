"""The bare floor: the same archive through the same libraries, without Singer: download, unzip, decode, encode."""

from __future__ import annotations

import gzip
import sys
import zipfile
from pathlib import Path

import msgspec
import requests

url, path = sys.argv[1:]
with requests.get(f"{url}/api/2/export", stream=True, timeout=60) as answer, Path(path).open("wb") as file:
    file.writelines(answer.iter_content(1 << 18))
decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
write = sys.stdout.buffer.write
with zipfile.ZipFile(path) as archive:
    for name in archive.namelist():
        with archive.open(name) as packed, gzip.open(packed) as lines:
            for line in lines:
                try:
                    write(encode(decode(line)))
                except (msgspec.DecodeError, ValueError):  # a line that no strict decoder reads costs no less
                    write(line)
                write(b"\n")
