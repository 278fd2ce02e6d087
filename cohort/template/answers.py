"""A student's answers file, read as what it is: text from a stranger."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar
from urllib.parse import urlsplit

import yaml

from cohort.errors import CohortError, RefusedError

FILE = ".copier-answers.yml"
ADOPT = "`cohort adopt` restores it on a branch, which the student merges"
LARGEST = 64 << 10
DEEPEST = 4
MOST_NODES = 10_000
LONGEST_NUMBER = 100  # characters


class Reader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML in which a plain word is a number, a truth or nothing only where YAML 1.1 and YAML 1.2 agree on it.

    copier writes answers with YAML 1.1, and quotes a text that YAML 1.1 would take for something else. YAML 1.2
    takes more texts for numbers (08, 1e3, 0o7); YAML 1.1 did so with others (1:30, 0b1, 2024-01-01). Here all of
    these are texts: what copier wrote reads as what it was, and nothing can be written that is costly to read.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


PLAIN = {  # the words of each kind, and the letters with which they begin
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"(?:[-+]?[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
}
for _kind, (_words, _first) in PLAIN.items():
    Reader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_words})\Z"), _first
    )
NUMBER = re.compile(f"{PLAIN['int'][0]}|{PLAIN['float'][0]}")
SHORTCUTS = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}


def parse(content: bytes) -> dict[str, object]:
    """The answers in a file. Raises RefusedError for what an honest answers file never holds."""
    answers = read_yaml(content, FILE, f"; {ADOPT}")
    wrong = [key for key in answers if not isinstance(key, str)]
    if wrong:
        raise RefusedError(f"{FILE} has the key {wrong[0]!r}, which is not a valid name.")
    return {str(name): answer for name, answer in answers.items()}


def source_of(answers: Mapping[str, object]) -> str:
    """The template's address, as answers that `check` has passed name it."""
    return str(answers["_src_path"])


def release_of(answers: Mapping[str, object]) -> str:
    """The release, as answers that `check` has passed name it."""
    return str(answers["_commit"])


def read_yaml(
    content: bytes, name: str, hint: str = "", deepest: int = DEEPEST
) -> dict[object, object]:
    """A mapping from a stranger's YAML, of which size, depth and kinds are checked before it is built."""
    if len(content) > LARGEST:
        raise RefusedError(f"{name} has {len(content):,} bytes; allowed: {LARGEST:,}.")
    try:
        text = content.decode("utf-8")
        _check_shape(text, name, deepest)
        found = yaml.load(text, Loader=Reader)
    except (yaml.YAMLError, ValueError) as error:
        # libyaml may stop at its own limit, which it meets before ours: it reads ahead.
        if "nesting depth" in str(error):
            raise RefusedError(f"{name} is nested more than {deepest} levels deep.") from None
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise CohortError(f"{name}{line} can't be read as YAML{hint}.") from None
    if not isinstance(found, dict):
        raise CohortError(f"{name} contains no names and values{hint}.")
    return found


def _check_shape(text: str, name: str, deepest: int) -> None:
    """Refuse, before anything is built: aliases (which multiply), tags (which make objects), depth, long numbers."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=Reader)):
        if number > MOST_NODES:
            raise RefusedError(f"{name} has more than {MOST_NODES:,} parts.")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise RefusedError(f"{name} has a YAML anchor or alias; it needs none.")
        if getattr(event, "tag", None):
            raise RefusedError(f"{name} has a YAML tag ({event.tag}); it needs none.")
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
            _check_number(event, name)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > deepest:
            raise RefusedError(f"{name} is nested more than {deepest} levels deep.")


def _check_number(event: yaml.ScalarEvent, name: str) -> None:
    if len(event.value) > LONGEST_NUMBER and NUMBER.fullmatch(event.value):
        line = event.start_mark.line + 1
        raise RefusedError(
            f"{name}, line {line} has a number of {len(event.value):,} characters; "
            f"allowed: {LONGEST_NUMBER}."
        )


def normalise(url: str) -> str:
    """An address in one spelling, so that two spellings of one repository compare equal."""
    url = url.strip()
    for short, whole in SHORTCUTS.items():
        if url.startswith(short):
            url = whole + url.removeprefix(short).lstrip("/")
    url = url.removeprefix("git+")
    # Two letters or more before the colon: not the drive of a Windows path.
    if match := re.fullmatch(r"([\w.-]+@)?([\w.-]{2,}):(?!//)(.+)", url):
        url = f"ssh://{match[1] or ''}{match[2]}/{match[3]}"
    parts = urlsplit(url)
    if parts.scheme in ("http", "https", "ssh", "git") and parts.hostname:
        port = f":{parts.port}" if parts.port else ""
        path = re.sub(r"/+", "/", parts.path).rstrip("/").removesuffix(".git")
        return f"{parts.hostname.lower()}{port}{path}"
    path = (parts.path if parts.scheme == "file" else url).rstrip("/\\")
    return path.removesuffix("/.git")


def _is_one_of(source: str, urls: Iterable[str]) -> bool:
    try:
        found = normalise(source)
    except ValueError:  # no address at all, such as "http://["
        return False
    return ".." not in source.split("/") and found in {normalise(url) for url in urls}


def check(
    answers: Mapping[str, object],
    urls: Iterable[str],
    releases: Collection[str],
    known: Collection[str],
) -> str:
    """The release that the answers belong to. Raises RefusedError unless template and keys are ours."""
    source, release = answers.get("_src_path"), answers.get("_commit")
    if not isinstance(source, str) or not isinstance(release, str):
        raise CohortError(f"{FILE} lacks _src_path or _commit; {ADOPT}.")
    if not _is_one_of(source, urls):
        raise RefusedError(
            f"{FILE} names another template ({source[:200]!r}); if it is the same, add it to also_known_as "
            "in class.toml."
        )
    if release not in releases:
        raise RefusedError(
            f"{FILE} names the version {release[:100]!r}, which is not among the releases in class.toml."
        )
    unknown = sorted(set(answers) - set(known) - {"_src_path", "_commit"})
    if unknown:
        raise RefusedError(
            f"{FILE} answers {unknown[0][:100]!r}, which no release of the template asks."
        )
    return release
