"""Draw the pictures of ``docs/framework/fifty-databases.md``: run its blocks in a folder of their own, with more rows than the tests do.

The blocks mean what ``tests/functional/test_framework_manual.py`` says; what they print is compared there and not here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "framework" / "fifty-databases.md"
IMAGES = ROOT / "docs" / "images"
ROWS = "20000"  # of each database, on average
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w.]+)\n")


def draw(folder: Path) -> list[Path]:
    """Do what the page says in *folder*, and return the pictures that it has made."""
    environment = os.environ | {"ROWS": ROWS, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    program = []
    for language, source in BLOCK.findall(PAGE.read_text()):
        file = FILE.match(source)
        if file:
            (folder / file[1]).write_text(source)
        elif language == "python":
            program.append(source)
        elif language == "console":
            for command in re.findall(r"^\$ (.*)$", source, re.MULTILINE):
                shell = ["bash", "-c", command]
                subprocess.run(shell, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - the page is ours
    (folder / "charts.py").write_text("\n".join(program))
    subprocess.run([sys.executable, "charts.py"], cwd=folder, env=environment, check=True)
    return sorted(folder.glob("*.png"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="qapla-pictures-") as name:
        for picture in draw(Path(name)):
            shutil.copy(picture, IMAGES / picture.name)
            print(IMAGES / picture.name)  # noqa: T201
