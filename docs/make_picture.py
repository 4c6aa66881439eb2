"""Makes docs/predict.png: a real talk with ``memotions predict``, as a terminal shows it.

Needs a Chromium on the path (Debian: ``apt-get install chromium fonts-dejavu``).
"""

from __future__ import annotations

import html
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SENTENCES = (
    "akhirnya skripsiku di-ACC, nangis saking leganya",
    "besok sidang jam delapan, dari tadi tanganku gemetar terus",
)
COLOURS = {"31": "#ff7b72", "33": "#e3b341", "34": "#79c0ff", "35": "#d2a8ff", "90": "#9aa4b2"}
STYLE = """
body { margin: 0; background: #0d1117; }
pre { margin: 0; padding: 28px 34px; color: #e6edf3; }
pre { font: 17px/1.42 'DejaVu Sans Mono', monospace; }
b { font-weight: 700; } .prompt { color: #7ee787; }
"""
WIDTH, LINE_HEIGHT, PADDING = 940, 24.2, 56
TARGET = Path(__file__).parent / "predict.png"


def talk() -> str:
    """Type the sentences at the prompt on a pseudo-terminal and return all that it showed."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "memotions_hf", "predict"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=os.environ | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"},
    )
    os.close(terminal)
    shown = b""
    for line in (*SENTENCES, "keluar"):
        seen = len(shown)
        while b"Ceritamu: " not in shown[seen:]:
            shown += os.read(controller, 65536)
        os.write(controller, f"{line}\n".encode())
    while True:
        try:
            block = os.read(controller, 65536)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        shown += block
    process.wait()
    return shown.decode().replace("\r\n", "\n")


def to_html(shown: str) -> str:
    """Turn the terminal's text and colours into a page."""
    plain = re.sub(r"\x1b\[\?\d+[hl]", "", shown.strip("\n"))
    text = html.escape(plain, quote=False)
    text = re.sub(
        r"\x1b\[1;(\d+)m(.*?)\x1b\[0m",
        lambda match: f'<b style="color:{COLOURS[match[1]]}">{match[2]}</b>',
        text,
        flags=re.DOTALL,
    )
    text = text.replace("Ceritamu: ", '<span class="prompt">Ceritamu: </span>')
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><pre>{text}</pre>"


def main() -> None:
    """Write the picture."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("this needs chromium: apt-get install chromium fonts-dejavu")
    shown = talk()
    height = round((shown.strip("\n").count("\n") + 1) * LINE_HEIGHT + PADDING)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(to_html(shown), encoding="utf-8")
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--disable-background-networking",
                f"--user-data-dir={folder}/profile",
                f"--window-size={WIDTH},{height}",
                f"--screenshot={TARGET}",
                page.as_uri(),
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
    print(TARGET)


if __name__ == "__main__":
    main()
