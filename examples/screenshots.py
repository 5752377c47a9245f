"""Draw the pictures of the pages anew from the demo's newest token; `make screenshots` runs it.

Usage: python examples/screenshots.py [URL [FOLDER]], default http://127.0.0.1:5000 docs/images.
Needs Chromium, and a server on which the demo was run.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import sync_playwright

from hokusai.core import ModelRegistry

WIDTH = 1200
COLOURS = 256


def main(url: str, folder: str) -> None:
    """Look at three pages and keep what is to be seen, small enough for a repository."""
    registry = ModelRegistry(url, url)
    tokens = registry.every("tokens/list", "tokens", prefix="DEMO-")
    if not tokens:
        sys.exit(f"No token of the demo on {url}. Run it first: make demo")
    token = tokens[-1]["token_id"]
    model = token.lower()
    pages = {
        "page-token": (f"token?token_id={token}", 900),
        "page-model": (f"model?name={quote(model)}#lineage", 760),
        "page-ledger": (f"ledger?token_id={token}", 760),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(timezone_id="UTC", locale="en-GB")
        for name, (address, height) in pages.items():
            page.set_viewport_size({"width": WIDTH, "height": height})
            page.goto(f"{url}/hokusai/{address}")
            file = Path(folder, f"{name}.png")
            picture = Image.open(io.BytesIO(page.screenshot()))
            picture.convert("RGB").quantize(COLOURS, method=Image.Quantize.FASTOCTREE).save(
                file, optimize=True
            )
            print(f"Drawn in {file} ({file.stat().st_size // 1024} kB)")
        browser.close()


if __name__ == "__main__":
    arguments = dict(enumerate(sys.argv))
    main(arguments.get(1, "http://127.0.0.1:5000").rstrip("/"), arguments.get(2, "docs/images"))
