"""Makes docs/space.png: the real app in a real browser, on a desktop and on a phone.

Needs the dev extra and a Chromium on the path (Debian: ``apt-get install chromium fonts-noto``).
The entry is read by the bundled model; the months on the phone are invented, and brought in as an
export is.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

TARGET = Path(__file__).parent / "space.png"
PORT = 7959
URL = f"http://127.0.0.1:{PORT}"
DESKTOP, PHONE = (960, 1500), (390, 1500)
MARGIN = 24
ENTRY = (
    "Besok sidang jam delapan, dari tadi tanganku gemetar terus. Takut ditanya yang aku nggak bisa "
    "jawab. Tadi Ibu nelepon, dengar suaranya aku jadi agak lega."
)
DAYS = (
    ("happy", "Ketemu teman lama di warung kopi, ngobrol sampai sore."),
    ("neutral", "Rapat, makan siang, pulang."),
    ("sad", "Kangen rumah."),
    ("fear", "Deg-degan nunggu pengumuman."),
    ("anger", "Antre sejam, malah disuruh pulang."),
    ("happy", "Hujan, teh panas, buku baru."),
)


def months() -> str:
    """An export with three months of invented entries."""
    chance = random.Random(4)
    evening = datetime.now().astimezone().replace(hour=20, minute=10, second=0, microsecond=0)
    entries: list[dict[str, Any]] = []
    for day in range(80, 0, -1):
        label, text = chance.choice(DAYS)
        if day <= 6 or chance.random() < 0.6:
            at = (evening - timedelta(days=day)).isoformat()
            emotions = [{"label": label, "score": 0.8}]
            entry = {"id": str(uuid.UUID(int=day, version=4)), "at": at, "text": text}
            entries.append({**entry, "emotions": emotions, "vote": None})
    return json.dumps({"app": "memotions", "version": 1, "entries": entries})


def picture_of_writing(page: Page) -> None:
    page.goto(URL)
    page.locator("#mm-entry textarea").fill(ENTRY)
    page.locator("#mm-read").click()
    expect(page.locator("#mm-votes")).to_be_visible()
    expect(page.locator(".mm-cursor")).to_have_count(0)


def picture_of_the_journey(page: Page) -> None:
    page.goto(URL)
    page.get_by_role("tab", name="Perjalanan", exact=True).click()
    with page.expect_file_chooser() as chooser:
        page.locator("#mm-import").click()
    chooser.value.set_files(
        {"name": "a.json", "mimeType": "application/json", "buffer": months().encode()}
    )
    expect(page.locator("#mm-drawing")).to_contain_text("Kalender perasaan")


def take_pictures(folder: Path) -> list[Path]:
    paths = [folder / "desktop.png", folder / "phone.png"]
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=[*options, "--hide-scrollbars"]
        )
        for path, size, scheme, draw in (
            (paths[0], DESKTOP, "light", picture_of_writing),
            (paths[1], PHONE, "dark", picture_of_the_journey),
        ):
            width, height = size
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                reduced_motion="reduce",
            )
            draw(page)
            page.wait_for_timeout(700)
            page.evaluate("scheme => scheme === 'light' && window.scrollTo(0, 0)", scheme)
            page.screenshot(path=path)
    return paths


def main() -> None:
    if shutil.which("chromium") is None:
        raise SystemExit("error: Chromium is not on the path; on Debian: apt-get install chromium")
    server = subprocess.Popen(
        [sys.executable, "-m", "memotions_hf", "space", "--port", str(PORT), "--no-browser"]
    )
    try:
        wait()
        with tempfile.TemporaryDirectory() as folder:
            join([Image.open(path).convert("RGB") for path in take_pictures(Path(folder))])
    finally:
        server.terminate()
        server.wait()
    print(TARGET)


def wait() -> None:
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"{URL}/health"):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise SystemExit("error: the app did not start")


def join(pictures: list[Image.Image]) -> None:
    """Put the pictures side by side, each at the top."""
    width = sum(picture.width for picture in pictures) + MARGIN * (len(pictures) + 1)
    height = max(picture.height for picture in pictures) + 2 * MARGIN
    whole = Image.new("RGB", (width, height), "#d9d3c7")
    left = MARGIN
    for picture in pictures:
        whole.paste(picture, (left, MARGIN))
        left += picture.width + MARGIN
    whole.quantize(256).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
