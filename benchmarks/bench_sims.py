"""How heavy each sim is, and how long until it can be used: `nox -s bench -- sims`.

Opens each page from disk in headless Chromium, five times, each in a fresh profile. "Usable" is when all its scripts
have run, its controls answer and its first frame is drawn, in milliseconds after the navigation began.
"""

import re
import shutil
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

SIMS = Path(__file__).resolve().parents[1] / "docs" / "sims"
TIMES = 5
# Asked once the page is there: its first frame, and the end of its scripts.
USABLE = """() => Math.max(
    performance.getEntriesByName("first-contentful-paint")[0].startTime,
    performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd,
)"""


def kilobytes(page: Path) -> float:
    """The page and every file that it loads, uncompressed."""
    links = re.findall(r'(?:src|href)="([^"#]+\.(?:js|css))"', page.read_text(encoding="utf-8"))
    return (
        sum(path.stat().st_size for path in [page, *(page.parent / link for link in links)]) / 1e3
    )


def milliseconds(browser: Browser, page: Path) -> float:
    """From the start of the navigation until the sim can be used."""
    shown = browser.new_page()
    shown.goto(page.as_uri())
    shown.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    found = float(shown.evaluate(USABLE))
    shown.close()
    return found


def main() -> None:
    """Print a line for each sim."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as started:
        options = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
        browser = started.chromium.launch(executable_path=chromium, args=options)
        print("page                     KB   usable after (ms, median; least to most)")
        empty = Path(tempfile.mkdtemp()) / "empty" / "index.html"  # what the browser itself needs
        empty.parent.mkdir()
        empty.write_text("<!doctype html><title>Empty</title><p>Empty.</p>\n", encoding="utf-8")
        for page in [empty, *sorted(SIMS.glob("*/index.html"))]:
            times = [milliseconds(browser, page) for _ in range(TIMES)]
            span = f"{min(times):.0f} to {max(times):.0f}"
            print(
                f"{page.parent.name:<22} {kilobytes(page):>4.0f}   {statistics.median(times):.0f}; {span}"
            )


if __name__ == "__main__":
    main()
