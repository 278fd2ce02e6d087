"""`cohort init`."""

from __future__ import annotations

from pathlib import Path

from cohort.classroom.config import FILE, get_tags, is_address, load
from cohort.errors import CohortError
from cohort.text import count_of

CLASS = """\
# The class. Paths are relative to this file.

[template]
url = {url}
# The releases that projects may have or be updated to. cohort never renders any other.
releases = [{releases}]
# Other spellings of the address that are allowed in answers files, such as "gh:you/template".
also_known_as = []

[class]
roster = "class.csv"         # columns: "student", optionally "repository", and one per answer
repositories = "students"    # the folder of projects without a "repository"
remote = ""                  # or their address, such as "https://github.com/my-class/{{student}}.git"
branch_prefix = "template/"  # updates go to branches template/<release>
cache = ".cohort"            # caches and the ledger; you may delete it

[forge]
{kind:<28} # github, gitlab or none: how pull requests are opened
api = ""                     # the address of its API, if not on the repositories' host: "https://git.example.edu/api/v4"
file_remotes = false         # whether a "repository" may be a file:// address; only for tests

# [audit]
# protected = ["/.github/", "/engine/"]   # the places that `cohort audit` protects, instead of its own list
"""
# Caches and the ledger, the students' own repositories, and pages that cohort writes.
IGNORED = ("/.cohort/", "/students/", "/class.html", "/plan.html")
ROSTER = "student,project_name,author_name\nada,My Capstone,Ada Lovelace\n"


def start_class(folder: Path, template: str, releases: list[str], forge: str) -> None:
    """Write class.toml, class.csv and .gitignore; none is ever overwritten."""
    if forge not in ("github", "gitlab", "none"):
        raise CohortError(f"--forge {forge} is unknown; use github, gitlab or none.")
    path = folder / FILE
    if path.exists():
        raise CohortError(f"{path} exists; change it there.")
    url = template if is_address(template) else str(Path(template).resolve())
    folder.mkdir(parents=True, exist_ok=True)
    names = releases or _all_releases(url)
    quoted = ", ".join(f'"{name}"' for name in names)
    text = CLASS.format(url=_toml(url), releases=quoted, kind=f'kind = "{forge}"')
    path.write_text(text, encoding="utf-8", newline="\n")
    try:
        class_ = load(folder)
    except CohortError:
        path.unlink()
        raise
    print(f"Wrote {path}: {count_of(len(names), 'allowed release')}, newest {names[-1]}.")
    roster = folder / class_.settings.class_.roster
    if not roster.exists():
        roster.write_text(ROSTER, encoding="utf-8", newline="\n")
        print(f"Wrote {roster} with one sample student; replace it with your class.")
    _write_gitignore(folder / ".gitignore")
    print("Next: `cohort create` creates one repository per student.")


def _write_gitignore(path: Path) -> None:
    """The class may be kept in a repository of its own, without the students' repositories and our caches."""
    if path.exists():
        print(f"{path} exists, and stays as it is. Add to it: {' '.join(IGNORED)}")
        return
    path.write_text("".join(f"{line}\n" for line in IGNORED), encoding="utf-8", newline="\n")
    print(f"Wrote {path}.")


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _all_releases(url: str) -> list[str]:
    """The tags of the template that are versions, oldest first."""
    import tempfile

    from packaging.version import InvalidVersion, Version

    from cohort.git import network, process

    with tempfile.TemporaryDirectory() as folder:
        git_dir = process.make_bare(Path(folder))
        command = ("ls-remote", "--tags", "--refs", "--", url)
        said = network.contact(git_dir, *command, files=not is_address(url))
        lines = said.decode().splitlines()
    versions = {}
    for line in lines:
        name = line.split("refs/tags/", 1)[-1]
        try:
            versions[name] = Version(name)
        except InvalidVersion:
            continue
    if not versions:
        raise CohortError(f"{url} has no tag that is a version such as v1.0.0; {get_tags(url)}")
    return sorted(versions, key=versions.__getitem__)
