"""A stranger's YAML: what copier wrote reads as what it was, and nothing in it is costly to read."""

import time
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from cohort.errors import CohortError, RefusedError
from cohort.template.answers import NUMBER, PLAIN, check, parse, read_yaml

# Texts that one YAML or the other takes for something else, and what they are made of.
SUSPECTS = (
    *(
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "true",
        "True",
        "null",
        "~",
        "",
        "=",
        "<<",
        "-",
        ".",
        "?",
    ),
    *(
        "1:30",
        "1:30:00",
        "-1:30.5",
        "2024-01-01",
        "2024-01-01 12:00:00",
        "0o7",
        "007",
        "08",
        "0x1F",
    ),
    *("0b101", "1e3", "1E3", "1.5e3", "1.e+3", "-.5", ".5", "+12", "1_000", "1.", ".inf", "-.INF"),
    *(
        ".nan",
        "+.nan",
        "0x",
        "1e",
        "e1",
        "00",
        "+0",
        "-0",
        "0.0",
        "12_3.4",
        "!tag",
        "&a",
        "*a",
        "#",
    ),
    *(" x", "x ", "a: b", "a #b", "- a", "[", "{", "'", '"', "%", "@", "`", "|", ">", "\\"),
    *(
        "two\nlines",
        "\n",
        "tail\n",
        "\ttab",
        "caf\u00e9",
        "\u4f60\u597d",
        "\U0001f600",
        "\u00a0",
        "\u2028",
    ),
    *("\x85", "\ufeff", "\x07", "a" * 200, "word " * 40),
)
PIECES = st.text(st.sampled_from("0123456789:._+-eExXobTtruefalsnNyYoO~ "), max_size=8)
TEXTS = st.one_of(
    st.sampled_from(SUSPECTS),
    PIECES,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
)
NUMBERS = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False)
SIMPLE = TEXTS | NUMBERS | st.booleans() | st.none()
ANSWERS = st.dictionaries(
    st.from_regex(r"[a-z][a-z_]{0,9}", fullmatch=True),
    SIMPLE | st.lists(SIMPLE, max_size=3) | st.dictionaries(TEXTS, SIMPLE, max_size=3),
    min_size=1,
    max_size=6,
)
# The filter with which a template of copier's writes the answers.
FILTERS = Environment(extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"]).filters
to_nice_yaml = FILTERS["to_nice_yaml"]


def typed(value: Any) -> Any:
    """Values with their types: 1, 1.0 and True are three."""
    if isinstance(value, dict):
        return {key: typed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [typed(one) for one in value]
    return type(value).__name__, repr(value)


def has_anchors(text: str) -> bool:
    return any(getattr(event, "anchor", None) for event in yaml.parse(text))


@settings(max_examples=200, deadline=None)
@given(ANSWERS)
@example({"a": "08", "b": "1e3", "c": "0o7", "d": "-.5", "e": 1e16, "f": float("-inf")})
def test_what_copier_wrote_reads_as_copier_reads_it(answers: dict[str, Any]) -> None:
    text = to_nice_yaml(answers)
    if not has_anchors(text):  # copier marks what is there twice; that is refused
        assert typed(parse(text.encode())) == typed(yaml.safe_load(text))


@settings(max_examples=150, deadline=None)
@given(PIECES | st.sampled_from(SUSPECTS))
def test_what_is_no_text_is_the_same_in_both_yamls(word: str) -> None:
    """A plain word that we take for a number, a truth or nothing is one for YAML 1.1 and for YAML 1.2."""
    ruamel = pytest.importorskip("ruamel.yaml", reason="ruamel.yaml is not installed")
    try:
        found = read_yaml(f"key: {word}\n".encode(), "file")["key"]
    except (CohortError, KeyError):
        return
    if not isinstance(found, str | list | dict):
        newer = ruamel.YAML(typ="safe", pure=True)
        newer.version = (1, 2)
        text = f"key: {word}\n"
        assert typed(found) == typed(yaml.safe_load(text)["key"]) == typed(newer.load(text)["key"])


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *((word, word) for word in ("yes", "off", "1:30", "2024-01-01", "0o7", "08", "0b1", "<<")),
        *(("true", True), ("null", None), ("-7", -7), ("0x1f", 31), ("1.0e+16", 1e16)),
    ],
)
def test_a_plain_word_is_read_so(word: str, value: object) -> None:
    assert typed(read_yaml(f"key: {word}\n".encode(), "file")) == typed({"key": value})


def test_a_merge_key_merges_nothing() -> None:
    assert read_yaml(b"<<: {a: 1}\nb: 2\n", "file") == {"<<": {"a": 1}, "b": 2}


TOO_MUCH = {
    "sexagesimal": ":".join(["59"] * 200),
    "sexagesimal float": ":".join(["59"] * 200) + ".5",
    "hexadecimal": "0x" + "f" * 20_000,
    "decimal": "9" * 20_000,
    "float": "9" * 20_000 + ".0",
    "nodes": "[" + "a," * 30_000 + "]",
    "deep": "[" * 30_000 + "]" * 30_000,
    "deep map": "{a: " * 15_000,
    "deep block": "- " * 30_000,
    "keys": "{" + "? " * 30_000,
    "tag": "!!python/name:os.system x",
    "anchor": "&a x",
    "date": "2024-99-99",
    "quotes": '"' + "\\x41" * 15_000,
    "half a number": "9" * 60_000 + "x",
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_nothing_is_costly_to_read(name: str) -> None:
    started = time.process_time()
    try:
        found = parse(f"title: {TOO_MUCH[name]}\n".encode())
        assert isinstance(found["title"], str), "it is a text, or refused"
    except CohortError as error:
        assert len(str(error)) < 300
    assert time.process_time() - started < 5


def test_a_number_that_is_too_long_is_named() -> None:
    with pytest.raises(RefusedError, match=r"line 2 has a number of 20,002 characters; allowed"):
        parse(b"a: 1\nb: 0x" + b"f" * 20_000)


def test_every_number_is_seen_before_it_is_read() -> None:
    assert set(PLAIN) == {"null", "bool", "int", "float"}, "there is no other kind"
    assert all(NUMBER.fullmatch(word) for word in ("1", "-1", "0x1", "1.", ".5e+3", "1.5e-3"))


@pytest.mark.parametrize("source", ["http://[", "http://a:b/", "http://a:99999/c", "\udce9", "\0"])
def test_what_is_no_address_is_another_template(source: str) -> None:
    with pytest.raises(RefusedError, match="another template"):
        check({"_src_path": source, "_commit": "v1"}, ["/srv/template"], ["v1"], [])
