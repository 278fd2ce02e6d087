"""MkDocs calls this: it adds the pages that are made from the code, so that they can't go stale."""

from __future__ import annotations

import functools
import sys
import tempfile
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
TOKENS = ROOT / "template" / "engine" / "capstone" / "serving" / "page" / "tokens.css"
sys.path[:0] = [str(ROOT), str(ROOT / "template" / "engine")]  # MkDocs loads this file by its path

from site_tools import concepts, decisions, listings, reference, tried  # noqa: E402
from site_tools.project import render  # noqa: E402


@functools.cache  # `mkdocs serve` builds again after each change of a page
def generated() -> dict[str, str]:
    """Path of each generated page to its Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        project = render(Path(folder) / "my-capstone")
        pages = {**reference.pages(project), **listings.pages(project)}
        pages["decisions/index.md"] = decisions.page()
        pages["explanation/tried.md"] = tried.page(tried.collect())
        return {**pages, "concepts.md": concepts.page(project, listings.link)}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them to the pages of docs/, and the colours that all our pages share."""
    for path, text in generated().items():
        files.append(File.generated(config, path, content=text))
    files.append(File.generated(config, "assets/tokens.css", abs_src_path=str(TOKENS)))
    return files


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Give the search its name: Material leaves it to screen readers to guess."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def on_post_build(config: MkDocsConfig) -> None:
    """Remove the page for wrong addresses: its links begin at a server's root, and a disk has none."""
    (Path(config.site_dir) / "404.html").unlink()
