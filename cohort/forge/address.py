"""A repository's place on a forge: the host, the project's full path there, and the address of the API."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

SHORT = {"gh": "github.com", "gl": "gitlab.com"}  # as copier writes them
SCP = re.compile(r"(?:[^@/\s]+@)?(\[[^\]]+\]|[^:/\s]+):(.+)")


@dataclass(frozen=True)
class Project:
    """A host and a path, such as git.example.edu:8443 and uni/course/ada."""

    host: str
    path: str


def project_of(address: str) -> Project | None:
    """Return the project of an https, ssh or scp-like address; None if it has no path."""
    if "://" in address:
        parts = urlsplit(address)
        host, path = parts.hostname or "", parts.path
        try:
            port = parts.port
        except ValueError:
            return None
        # Another port for ssh says nothing of where the forge's API is; another one for https does.
        if port not in (None, 443) and parts.scheme == "https":
            host = f"{host}:{port}"
    else:
        found = SCP.fullmatch(address)
        if found is None:
            return None
        host, path = found[1].strip("[]").lower(), found[2]
        host = SHORT.get(host, host)
    path = unquote(path).strip("/").removesuffix(".git").rstrip("/")
    return Project(host, path) if path else None


def api_of(kind: str, host: str) -> str:
    """Return the address of a host's REST API, unless class.toml sets another."""
    if kind == "gitlab":
        return f"https://{host}/api/v4"
    if host == "github.com" or host.endswith(".ghe.com"):
        return f"https://api.{host}"
    return f"https://{host}/api/v3"  # GitHub Enterprise
