"""The template: fetched once per run, checked out once per release, shared by all projects."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from copier._main import Worker
from copier._settings import SettingsModel
from copier._template import Template, load_template_config
from jinja2 import Environment, nodes
from jinja2 import Template as CompiledTemplate
from packaging.version import Version

from cohort.classroom.config import Class, get_tags, is_address, version
from cohort.errors import CohortError, RefusedError
from cohort.git import network, process
from cohort.git.objects import blob_id

# What runs code, or reads files of the project while it renders.
SECONDS = 300  # for the connection to the template
UNSAFE = ("tasks", "migrations", "jinja_extensions", "external_data", "envops")
NO_SUCH_TAG = re.compile(r"couldn't find remote ref refs/tags/([^\s]+)")
KNOWN = (
    *("_raw_config", "local_abspath", "git_index_modes", "vcs"),
    *("commit", "commit_hash", "version"),
)
SHARED = (
    *("config_data", "questions_data", "secret_questions", "envops", "exclude", "external_data"),
    *("skip_if_exists", "subdirectory", "templates_suffix", "preserve_symlinks", "answers_relpath"),
    *("jinja_extensions",),
)


@dataclass
class Release:
    """A release of the template: its files on disk, its questions, and one Jinja environment."""

    name: str
    commit: str
    author: str  # "Name <address> seconds zone", as in the commit
    folder: Path
    files: dict[str, tuple[str, str]]  # path: (mode, name of the blob)
    places: list[tuple[str, str, str | None]] = field(default_factory=list)
    _compiled: dict[str, CompiledTemplate] = field(default_factory=dict)

    @cached_property
    def version(self) -> Version:
        return version(self.name)

    @cached_property
    def shared(self) -> Template:
        """What copier knows of this release, worked out once."""
        config = [self.folder / name for name in ("copier.yml", "copier.yaml")]
        found = [path for path in config if path.is_file()]
        if len(found) != 1:
            raise CohortError(f"The release {self.name} has no copier.yml; correct [template] url.")
        modes = {PurePosixPath(path): int(mode, 8) for path, (mode, _) in self.files.items()}
        first = Template(url=str(self.folder), ref=self.name)
        first.__dict__.update(
            _raw_config=load_template_config(found[0]),
            **{"local_abspath": self.folder.resolve(), "git_index_modes": modes, "vcs": "git"},
            **{"commit": self.name, "commit_hash": self.commit, "version": self.version},
        )
        unsafe = [name for name in UNSAFE if f"_{name}" in first._raw_config]
        if unsafe or re.search(r"\{[{%]", first.subdirectory):
            what = f"_{unsafe[0]}" if unsafe else "_subdirectory with Jinja"
            raise RefusedError(
                f"The release {self.name} has {what}; cohort does not run a template's code."
            )
        for name in SHARED:
            getattr(first, name)  # copier keeps what it has worked out
        return first

    def template(self, url: str) -> Template:
        """copier's view of this release, under the address that a project knows it by."""
        template = Template(url=url, ref=self.name)
        worked_out = self.shared.__dict__
        template.__dict__.update({name: worked_out[name] for name in (*KNOWN, *SHARED)})
        return template

    @cached_property
    def environment(self) -> Environment:
        """copier's Jinja environment, in which each text is compiled once."""
        worker = Worker(src_path=str(self.folder), settings=SettingsModel())
        worker.__dict__["template"] = self.template(str(self.folder))
        environment = worker.jinja_env
        environment.auto_reload = False
        compile_text = environment.from_string

        def from_string(
            source: str | nodes.Template,
            globals: MutableMapping[str, object] | None = None,
            template_class: type[CompiledTemplate] | None = None,
        ) -> CompiledTemplate:
            if not isinstance(source, str) or globals or template_class:
                return compile_text(source, globals, template_class)
            if source not in self._compiled:
                self._compiled[source] = compile_text(source)
            return self._compiled[source]

        environment.from_string = from_string  # type: ignore[method-assign]
        return environment

    @cached_property
    def includes(self) -> str:
        """A fingerprint of everything that a file of the template may include, and of the questions."""
        below = f"{self.shared.subdirectory}/" if self.shared.subdirectory else "\0"
        outside = sorted(item for item in self.files.items() if not item[0].startswith(below))
        return hashlib.sha256(repr(outside).encode()).hexdigest()

    def content(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()


class Releases:
    """The releases that class.toml allows."""

    def __init__(self, class_: Class) -> None:
        self.class_ = class_
        self.store = class_.cache / "template.git"
        self._loaded: dict[str, Release] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return self.class_.settings.template.releases

    @property
    def newest(self) -> str:
        return self.class_.releases[-1]

    def fetch(self) -> None:
        """Get the tags of the allowed releases: one connection."""
        url = self.class_.template_url
        wanted = [f"+refs/tags/{name}:refs/tags/{name}" for name in self.names]
        shallow = ["--depth=1"] if is_address(url) else []
        options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--force", *shallow]
        command = ["fetch", *options, "--", url, *wanted]
        try:
            try:
                self._fetch(command)
            except process.GitError:
                if not _is_damaged(self.class_.home, self.store):
                    raise
                shutil.rmtree(self.store)
                self._fetch(command)
        except process.GitError as error:
            lacking = NO_SUCH_TAG.search(str(error))
            if lacking is not None:
                raise CohortError(
                    f"The template {url} has no tag {lacking[1]!r}, which class.toml allows; {get_tags(url)}"
                ) from None
            raise CohortError(f"The template {url} can't be fetched: {error}") from None

    def _fetch(self, command: list[str]) -> None:
        process.make_bare(self.store)
        if is_address(self.class_.template_url):
            files = self.class_.settings.forge.file_remotes
            network.contact(self.store, *command, files=files, seconds=SECONDS)
        else:
            allowed = ("-c", "protocol.file.allow=always")
            home = self.class_.home
            process.run(home, *allowed, *command, git_dir=self.store, seconds=SECONDS)

    def commits(self) -> dict[str, str]:
        """The commit of each release that has been fetched."""
        listed = "%(refname:lstrip=2) %(objectname) %(*objectname)"
        command = ("for-each-ref", f"--format={listed}", "refs/tags")
        lines = process.run(self.class_.home, *command, git_dir=self.store).decode().splitlines()
        return {line.split()[0]: line.split()[-1] for line in lines}

    def get(self, name: str) -> Release:
        """A release, ready to render."""
        if name not in self.names:
            allowed = ", ".join(self.names)
            raise CohortError(f"{name!r} is not among the releases in class.toml: {allowed}.")
        if name not in self._loaded:
            commit = self.commits().get(name)
            if commit is None:
                raise CohortError(f"The template has no tag {name!r}; correct class.toml.")
            release = self._load(name, commit)
            release.shared  # noqa: B018 - refuses a template that runs code
            self._loaded[name] = release
        return self._loaded[name]

    def _load(self, name: str, commit: str) -> Release:
        folder = self.class_.cache / "releases" / commit
        files = _listing(folder)
        if files is None:
            self._check_out(commit, folder)
            files = _listing(folder)
        if files is None:
            raise CohortError(f"{folder} can't be written completely; is the disk full?")
        head = process.run(self.class_.home, "cat-file", "commit", commit, git_dir=self.store)
        line = next(line for line in head.split(b"\n") if line.startswith(b"author "))
        author = line.decode("utf-8", "replace").removeprefix("author ")
        return Release(name, commit, author, folder, files)

    def _check_out(self, commit: str, folder: Path) -> None:
        """Write the files of a commit, all or none."""
        beside = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        index = {"GIT_INDEX_FILE": str(beside) + ".index"}
        everything = ("checkout-index", "--all", "--force", f"--prefix={beside}/")
        process.run(self.class_.home, "read-tree", commit, git_dir=self.store, env=index)
        work_tree = {"GIT_WORK_TREE": str(beside)}
        process.run(self.class_.home, *everything, git_dir=self.store, env=index | work_tree)
        Path(index["GIT_INDEX_FILE"]).unlink(missing_ok=True)
        listing = process.run(self.class_.home, "ls-tree", "-r", "-z", commit, git_dir=self.store)
        files = {}
        for entry in listing.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            about, _, path = entry.partition("\t")
            mode = about.split()[0]
            if mode not in ("100644", "100755"):
                raise RefusedError(f"The template contains {path!r}, which is not a plain file.")
            files[path] = (mode, blob_id((beside / path).read_bytes()))
        (beside / ".listing.json").write_text(json.dumps(files), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)


def _listing(folder: Path) -> dict[str, tuple[str, str]] | None:
    """The files of a checkout, or None unless every byte is as it was written."""
    try:
        listing = json.loads((folder / ".listing.json").read_text(encoding="utf-8"))
        files = {path: (mode, name) for path, (mode, name) in listing.items()}
        for path, (_, name) in files.items():
            if not stat.S_ISREG((folder / path).lstat().st_mode):
                return None
            if blob_id((folder / path).read_bytes()) != name:
                return None
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    return files


def _is_damaged(home: Path, store: Path) -> bool:
    """Can git no longer read a repository of ours?"""
    try:
        process.run(home, "fsck", "--connectivity-only", git_dir=store)
    except process.GitError:
        return True
    return False
