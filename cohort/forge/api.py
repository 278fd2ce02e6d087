"""The connection to a forge's REST API."""

from __future__ import annotations

import os
import random
import re
import ssl
import time
from collections.abc import Mapping
from typing import NoReturn, TypeVar

import httpx
import truststore
from pydantic import TypeAdapter, ValidationError

from cohort.forge.client import ForgeError
from cohort.git.network import http_settings, seconds_until

T = TypeVar("T")
TRIES = 3
PAUSE = 0.5  # seconds, doubled after each try
LONGEST_WAIT = 120  # seconds that a forge may ask for, once
A_MINUTE = 60  # what GitHub asks for where it says that it was too much, and not for how long
LONGEST_REASON = 300
PAUSE_STATES = (403, 429)


class Api:
    """A forge's REST API: JSON that is checked, errors as sentences, and no more haste than it allows."""

    def __init__(self, base: str, headers: Mapping[str, str]) -> None:
        self.host = httpx.URL(base).host
        settings = http_settings(base)
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for path in (os.environ.get("GIT_SSL_CAINFO"), settings.get("http.sslcainfo")):
            if path:
                context.load_verify_locations(os.path.expanduser(path))
        self._client = httpx.Client(
            base_url=base,
            headers={"User-Agent": "cohort", **headers},
            verify=context,
            proxy=settings.get("http.proxy") or None,
            timeout=30,
            follow_redirects=True,
        )
        self._busy_until = 0.0

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, shape: type[T], **query: str) -> T:
        return self._read(self._ask("GET", path, query, None), shape)

    def post(self, path: str, shape: type[T], **about: str) -> T:
        return self._read(self._ask("POST", path, {}, about), shape)

    def _read(self, response: httpx.Response, shape: type[T]) -> T:
        try:
            return TypeAdapter(shape).validate_json(response.content)
        except ValidationError:
            sentence = f"{self.host} did not answer like a forge; correct [forge] api."
            raise ForgeError(sentence) from None

    def _ask(
        self, method: str, path: str, query: Mapping[str, str], about: Mapping[str, str] | None
    ) -> httpx.Response:
        if time.time() < self._busy_until:
            self._give_up("it asked for a pause")
        for attempt in range(1, TRIES + 1):
            pause = PAUSE * 2**attempt * (0.5 + random.random())
            try:
                response = self._client.request(method, path, params=query, json=about)
            except httpx.HTTPError as error:
                if attempt == TRIES:
                    raise ForgeError(f"{self.host} can't be reached: {error}.") from None
                time.sleep(pause)
                continue
            if response.is_success:
                return response
            wait, reason = _pause_asked(response), _reason(response)
            if wait is None and response.status_code != 429 and response.status_code < 500:
                break
            if attempt == TRIES or (wait or 0) > LONGEST_WAIT:
                if wait is not None:
                    self._busy_until = time.time() + wait
                    self._give_up(reason)
                break
            time.sleep(pause if wait is None else wait)
        status = response.status_code
        raise ForgeError(f"{self.host} answered {status}: {reason}", status)

    def _give_up(self, reason: str) -> NoReturn:
        when = time.strftime("%H:%M", time.localtime(self._busy_until + 60))
        raise ForgeError(f"{self.host}: {reason}; run this again after {when}.")


def _pause_asked(response: httpx.Response) -> float | None:
    """The seconds after which a forge may be asked again, if it is too much for it."""
    headers = response.headers
    if (after := headers.get("Retry-After")) is not None:
        return seconds_until(after)
    if response.status_code not in PAUSE_STATES:
        return None
    for prefix in ("X-RateLimit", "RateLimit"):  # GitHub's, GitLab's
        reset = headers.get(f"{prefix}-Reset", "")
        if headers.get(f"{prefix}-Remaining") == "0" and reset.isdecimal():
            return max(0.0, float(reset) - time.time())
    return A_MINUTE if "rate limit" in response.text.lower() else None


def _reason(response: httpx.Response) -> str:
    """What a forge says of an error, in one line: its JSON has sentences in several places."""
    try:
        said = " ".join(_sentences(response.json()))
    except ValueError:
        said = response.reason_phrase
    return " ".join(said.split())[:LONGEST_REASON] or response.reason_phrase


def _sentences(about: object) -> list[str]:
    if isinstance(about, str):
        return [about if re.search(r"[.!?]$", about) else f"{about}."]
    if isinstance(about, list):
        return [text for one in about for text in _sentences(one)]
    if isinstance(about, dict):
        parts = (about.get(name) for name in ("message", "error", "errors", "error_description"))
        return [text for one in parts for text in _sentences(one)]
    return []
