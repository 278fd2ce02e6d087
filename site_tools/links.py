"""Our own link test over a built site: `python -m site_tools.links FOLDER` names each link that leads nowhere.

MkDocs' strict mode looks at Markdown links only. This reads every HTML page as built: src, href, the id after "#",
frames, and what a page would fetch from another host.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes that make a browser go and fetch, and those that only lead somewhere when clicked.
FETCHED = {"src", "srcset", "poster", "data"}
FETCHED_LINKS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "manifest"}
FETCHED_LINKS |= {"preconnect", "dns-prefetch"}


@dataclass
class Page(HTMLParser):
    """What one HTML page points to, and what can be pointed to in it."""

    ids: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    links: list[tuple[str, bool]] = field(
        default_factory=list
    )  # address, and whether it is fetched
    untitled: int = 0  # frames that a screen reader can't name

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if name := given.get("id"):
            (self.twice if name in self.ids else self.ids).add(name)
        if tag == "a" and given.get("name"):
            self.ids.add(given["name"] or "")
        kinds = set((given.get("rel") or "").split())
        for key, value in attrs:
            if key in FETCHED and value is not None:
                self.links.append((value, True))
            elif key in ("href", "xlink:href", "action") and value is not None:
                self.links.append((value, tag == "link" and bool(kinds & FETCHED_LINKS)))
        self.untitled += tag == "iframe" and not given.get("title")


def read(path: Path) -> Page:
    """One page, parsed."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def broken(site: Path) -> Iterator[str]:
    """One sentence for each thing that is wrong, pages in order."""
    site = site.resolve()
    pages = {path: read(path) for path in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site} holds no page"
    for path, page in pages.items():
        where = path.relative_to(site).as_posix()
        for name in sorted(page.twice):
            yield f'{where}: the id "{name}" is there twice'
        if page.untitled:
            yield f"{where}: {page.untitled} frame(s) without a title"
        for address, fetched in page.links:
            if wrong := _wrong(address, fetched, path, site, pages):
                yield f'{where}: "{address}" {wrong}'


def _wrong(
    address: str, fetched: bool, page: Path, site: Path, pages: dict[Path, Page]
) -> str | None:
    """What is wrong with this link, if anything."""
    parts = urlsplit(address)
    if parts.scheme in ("data", "mailto", "javascript"):
        return None
    if parts.scheme or parts.netloc:
        return "would be fetched from another host" if fetched else None
    if parts.path.startswith("/"):
        return "begins at the root, which is another place on a disk"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_relative_to(site):
        return "leads out of the site"
    if target.is_dir():
        return "leads to a folder, which shows no page on a disk"
    if not target.is_file():
        return "does not exist"
    # A sim keeps its state there, as key=value.
    anchor = unquote(parts.fragment)
    if anchor and "=" not in anchor and target in pages and anchor not in pages[target].ids:
        return f'has no id "{anchor}"'
    return None


def main() -> None:
    """Print what is wrong; exit code 1 if anything is."""
    found = list(broken(Path(sys.argv[1])))
    print("\n".join(found) or "Every link leads somewhere, and nothing comes from another host.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
