"""A forge on this machine, behind TLS: git's own `http-backend`, and what cohort and gh ask of GitHub and GitLab.

Repositories are bare ones below a folder, so a pull request exists only for a branch that was really pushed.
"""

import base64
import json
import re
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import trustme

TOKEN = "token-of-the-instructor"
GITHUB = re.compile(r"(?:/api/v3)?/repos/([^/]+/[^/]+)(/pulls)?")
GITLAB = re.compile(r"(?:/gitlab)?/api/v4/projects/([^/]+)(/merge_requests)?")


@dataclass
class Fault:
    """An answer other than the usual one, so many times: to the requests whose "METHOD path" matches."""

    match: str
    status: int = 0  # 0: the usual one, after the delay
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    delay: float = 0.0
    message: str = "so says the test"


@dataclass
class Forge:
    """The forge's state, which a test reads and changes."""

    root: Path
    port: int = 0
    authority: Path = Path()  # the certificate that signs the server's
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # "METHOD path", in order
    tokens_seen: set[str] = field(default_factory=set)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def make(self, *projects: str) -> None:
        """Empty repositories, as `gh repo create` makes them."""
        for project in projects:
            folder = self.root / f"{project}.git"
            command = ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder)]
            subprocess.run(command, check=True)

    def folder(self, project: str) -> Path:
        return self.root / f"{project}.git"

    def has_branch(self, project: str, branch: str) -> bool:
        command = ["git", "rev-parse", "--quiet", "--verify", f"refs/heads/{branch}"]
        done = subprocess.run(command, cwd=self.folder(project), capture_output=True)
        return done.returncode == 0

    def open(self, project: str, branch: str, title: str, text: str) -> dict[str, Any] | None:
        """A new pull request; None where that branch has an open one, or is not there."""
        with self.lock:
            taken = any(one["state"] == "open" for one in self.of(project, branch))
            if taken or not self.has_branch(project, branch):
                return None
            about = {"number": len(self.pulls) + 1, "project": project, "branch": branch}
            self.pulls.append({**about, "title": title, "text": text, "state": "open"})
            return self.pulls[-1]

    def of(self, project: str, branch: str) -> list[dict[str, Any]]:
        """The pull requests of a branch, newest first."""
        found = [one for one in self.pulls if (one["project"], one["branch"]) == (project, branch)]
        return found[::-1]

    def close_without_branch(self) -> None:
        """As a forge does when a branch is deleted."""
        for one in self.pulls:
            if one["state"] == "open" and not self.has_branch(one["project"], one["branch"]):
                one["state"] = "closed"

    def count(self, match: str) -> int:
        """How many requests were like this."""
        return sum(re.search(match, one) is not None for one in self.asked)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    forge: Forge

    def log_message(self, *_: object) -> None:
        """The tests' output is theirs."""

    def do_GET(self) -> None:
        self.handle_request(b"")

    def do_POST(self) -> None:
        self.handle_request(self.read_body())

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def handle_request(self, body: bytes) -> None:
        line = f"{self.command} {self.path}"
        self.forge.asked.append(line)
        if self.fails(line):
            return
        path = urlsplit(self.path).path
        if not self.token():
            wants = {} if path.startswith("/api/") else {"WWW-Authenticate": 'Basic realm="forge"'}
            self.answer(401, {"message": "Bad credentials"}, wants)
        elif found := GITHUB.fullmatch(path):
            self.github(found[1], found[2] is not None, body)
        elif found := GITLAB.fullmatch(path):
            self.gitlab(unquote(found[1]), found[2] is not None, body)
        elif path == "/api/graphql":  # `gh auth login` asks who that is
            self.answer(200, {"data": {"viewer": {"login": "teacher"}}})
        elif path == "/api/v3/":  # and what the token may do
            self.answer(200, {}, {"X-Oauth-Scopes": "repo, read:org, workflow"})
        else:
            self.git(body)

    def fails(self, line: str) -> bool:
        for fault in self.forge.faults:
            if fault.times and re.search(fault.match, line):
                fault.times -= 1
                time.sleep(fault.delay)
                if fault.status:
                    self.answer(fault.status, {"message": fault.message}, fault.headers)
                return fault.status != 0
        return False

    def token(self) -> bool:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            value = base64.b64decode(value).decode().partition(":")[2]
        if value:
            self.forge.tokens_seen.add(value)
        return value == TOKEN

    def answer(self, status: int, about: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(about).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    # ---- GitHub ---------------------------------------------------------------------------------

    def github(self, project: str, pulls: bool, body: bytes) -> None:
        owner = project.partition("/")[0]
        if not self.forge.folder(project).is_dir():
            self.answer(404, {"message": "Not Found"})
        elif not pulls:
            about = {"full_name": project, "default_branch": "main", "owner": {"login": owner}}
            self.answer(200, about)
        elif self.command == "GET":
            asked, _, branch = self.query()["head"].partition(":")
            assert self.query()["state"] == "all"
            found = self.forge.of(project, branch) if asked == owner else []
            self.answer(200, [self.as_github(one) for one in found])
        else:
            about = json.loads(body)
            made = self.forge.open(project, about["head"], about["title"], about["body"])
            if made is None:
                why = f"A pull request already exists for {owner}:{about['head']}."
                if not self.forge.has_branch(project, about["head"]):
                    why = "Head sha can't be blank"
                self.answer(422, {"message": "Validation Failed", "errors": [{"message": why}]})
            else:
                assert about["base"] == "main"
                self.answer(201, self.as_github(made))

    def as_github(self, one: dict[str, Any]) -> dict[str, Any]:
        return {
            "number": one["number"],
            "head": {"ref": one["branch"]},
            "html_url": f"https://ghe.example.org/{one['project']}/pull/{one['number']}",
            "state": "open" if one["state"] == "open" else "closed",
            "merged_at": "2026-01-01T00:00:00Z" if one["state"] == "merged" else None,
        }

    # ---- GitLab ---------------------------------------------------------------------------------

    def gitlab(self, project: str, requests: bool, body: bytes) -> None:
        if not self.forge.folder(project).is_dir():
            self.answer(404, {"message": "404 Project Not Found"})
        elif not requests:
            self.answer(200, {"path_with_namespace": project, "default_branch": "main"})
        elif self.command == "GET":
            found = self.forge.of(project, self.query()["source_branch"])
            self.answer(200, [self.as_gitlab(one) for one in found])
        else:
            about = json.loads(body)
            made = self.forge.open(
                project, about["source_branch"], about["title"], about["description"]
            )
            if made is None:
                why = "Another open merge request already exists for this source branch: !1"
                self.answer(409, {"message": [why]})
            else:
                assert about["target_branch"] == "main"
                self.answer(201, self.as_gitlab(made))

    def as_gitlab(self, one: dict[str, Any]) -> dict[str, Any]:
        return {
            "iid": one["number"],
            "source_branch": one["branch"],
            "web_url": f"https://gitlab.example.org/{one['project']}/-/merge_requests/{one['number']}",
            "state": {"open": "opened"}.get(one["state"], one["state"]),
        }

    # ---- git ------------------------------------------------------------------------------------

    def git(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "GIT_PROJECT_ROOT": str(self.forge.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "teacher",
            "REMOTE_ADDR": self.client_address[0],
            "REQUEST_METHOD": self.command,
            "PATH_INFO": unquote(parts.path),
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "CONTENT_LENGTH": str(len(body)),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=env, capture_output=True, check=False
        )
        if parts.path.endswith("/git-receive-pack"):
            self.forge.close_without_branch()
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = [line.partition(": ")[::2] for line in head.decode().splitlines()]
        headers = dict(lines)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake in the connection's own thread: a slow one holds up nobody."""
        with self.context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests."""


@contextmanager
def forge_server(folder: Path) -> Iterator[Forge]:
    """A forge that serves the repositories below `folder`/repositories."""
    authority = trustme.CA()
    hosts = ["localhost", "127.0.0.1", "ghe.example.org", "gitlab.example.org"]
    hosts += ["github.com", "api.github.com"]  # behind the proxy
    certificate = authority.issue_cert(*hosts)
    forge = Forge(folder / "repositories", authority=folder / "authority.pem")
    forge.root.mkdir(parents=True)
    authority.cert_pem.write_to_path(str(forge.authority))
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"forge": forge}))
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(server.context)
    forge.port = server.server_address[1]
    with _serving(server):
        yield forge


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# ---- A university's proxy ------------------------------------------------------------------------


@dataclass
class Proxy:
    """A proxy behind which every host is the forge."""

    url: str
    asked: list[str] = field(default_factory=list)  # host:port


class Tunnel(socketserver.StreamRequestHandler):
    proxy: Proxy
    to: int

    def handle(self) -> None:
        words = self.rfile.readline().decode().split()
        while self.rfile.readline().strip():
            pass
        if words[:1] != ["CONNECT"]:
            self.wfile.write(b"HTTP/1.1 405 Only CONNECT\r\n\r\n")
            return
        self.proxy.asked.append(words[1])
        with socket.create_connection(("127.0.0.1", self.to)) as server:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pass_on, args=(server, self.connection), daemon=True)
            back.start()
            _pass_on(self.connection, server)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one of the two has gone


class Tunnels(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def proxy_to(forge: Forge) -> Iterator[Proxy]:
    """A proxy to a forge, which is reached as any host on port 443."""
    proxy = Proxy("")
    bound = type("Bound", (Tunnel,), {"proxy": proxy, "to": forge.port})
    server = Tunnels(("127.0.0.1", 0), bound)
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    with _serving(server):
        yield proxy
