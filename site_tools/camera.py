"""Takes pictures: of pages with Chromium, of what a command prints with rich."""

from __future__ import annotations

import io
import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.color import parse_rgb_hex
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

SHARPNESS = 1.25
WIDTH, HEIGHT = 1280, 860
PHONE = {"-phone": (390, 620)}
SCHEMES = ("light", "dark")
QUALITY = 80
QUIET = ("background-networking", "component-update", "sync", "gpu", "quic")  # it asks nobody
# The colours of a report in the dark, where a terminal mostly is.
HEX = "12151b e8eaf0 333a47 ff8f85 7ed79d f3c171 7aa7ff c79bff 7fd3de e8eaf0"
COLOURS: list[tuple[int, int, int]] = [parse_rgb_hex(colour) for colour in HEX.split()]
THEME = TerminalTheme(COLOURS[0], COLOURS[1], COLOURS[2:])
# rich's picture would fetch its letters from another host: the reader's own do.
FONTS = "ui-monospace, 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
FORM = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
FORM = FORM.replace("Fira Code, monospace", FONTS).replace("arial", "system-ui, sans-serif")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser that CHROMIUM names, else the one on the path."""
    path = (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if path is None:
        raise SystemExit("There is no Chromium: install it, or say in CHROMIUM where it is.")
    options = ["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in QUIET)]
    with sync_playwright() as started:
        yield started.chromium.launch(executable_path=path, args=options)


def take(
    browser: Browser,
    address: str,
    target: Path,
    prepare: Callable[[Page], object] | None = None,
    *,
    phone: bool = False,
    height: int = HEIGHT,
) -> None:
    """A page as TARGET-light.webp and TARGET-dark.webp, and as on a phone; `prepare` clicks and scrolls before."""
    sizes = {"": (WIDTH, height), **(PHONE if phone else {})}
    for (size, (wide, high)), scheme in itertools.product(sizes.items(), SCHEMES):
        page = browser.new_page(
            viewport={"width": wide, "height": high},
            device_scale_factor=SHARPNESS,
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page.goto(address)
        page.wait_for_load_state("networkidle")
        if prepare:
            prepare(page)
        page.wait_for_timeout(500)  # a chart comes in with a short movement
        picture = Image.open(io.BytesIO(page.screenshot()))
        picture.save(
            target.with_name(f"{target.name}{size}-{scheme}.webp"), quality=QUALITY, method=6
        )
        page.close()


def scroll_to(selector: str) -> Callable[[Page], object]:
    """A `prepare` that brings an element to the top."""
    return lambda page: page.locator(selector).first.evaluate("it => it.scrollIntoView()")


def draw_terminal(command: str, printed: str, target: Path, columns: int) -> None:
    """What a command printed, as TARGET.svg."""
    console = Console(
        record=True, file=io.StringIO(), width=columns, force_terminal=True, highlight=False
    )
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")), soft_wrap=False)
    console.print(Text.from_ansi(printed.rstrip()))
    svg = console.export_svg(title="", theme=THEME, code_format=FORM, unique_id=target.name)
    tidy = "\n".join(line.strip() for line in svg.splitlines() if line.strip())
    target.with_name(f"{target.name}.svg").write_text(tidy + "\n", encoding="utf-8")
