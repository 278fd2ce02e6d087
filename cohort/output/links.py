"""Addresses that a page may link to: only addresses on the web."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from cohort.template.answers import SHORTCUTS

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
# As scp writes a place: "git@host:path", or a host with a dot; "javascript:x" is none.
SCP = re.compile(r"(?=[^:]*[@.])(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)")


def web_address(address: str) -> str:
    """Return the web address of a repository or a pull request; empty if it can't be derived.

    `git@host:team/project.git` and `ssh://` become `https://`. A name or a token in the address is left out,
    and so is a query, which may hold one.
    """
    for short, whole in SHORTCUTS.items():
        if address.startswith(short):
            address = whole + address.removeprefix(short).lstrip("/")
    if "://" not in address and (found := SCP.fullmatch(address)):
        address = f"ssh://{found[1]}/{found[2]}"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https", "ssh") or not HOST.fullmatch(host):
        return ""
    # The port of ssh is not that of the pages.
    place = f"{host}:{port}" if port and parts.scheme != "ssh" else host
    scheme = "https" if parts.scheme == "ssh" else parts.scheme
    path = quote(parts.path.rstrip("/").removesuffix(".git"), safe="/%~")
    return f"{scheme}://{place}{path}"
