"""Which project of which forge a repository's address names."""

import pytest

from cohort.forge.address import Project, api_of, project_of


@pytest.mark.parametrize(
    ("address", "host", "path"),
    [
        ("https://github.com/my-class/ada.git", "github.com", "my-class/ada"),
        ("https://github.com/my-class/ada/", "github.com", "my-class/ada"),
        ("https://teacher:secret@GitHub.com/my-class/ada", "github.com", "my-class/ada"),
        (
            "https://git.example.edu:8443/uni/course/ada.git",
            "git.example.edu:8443",
            "uni/course/ada",
        ),
        ("https://git.example.edu:443/uni/ada", "git.example.edu", "uni/ada"),
        ("ssh://git@git.example.edu:2222/uni/course/ada.git", "git.example.edu", "uni/course/ada"),
        ("ssh://git@git.example.edu/uni/a.b.git", "git.example.edu", "uni/a.b"),
        ("git@git.example.edu:uni/course/term/ada.git", "git.example.edu", "uni/course/term/ada"),
        ("git.example.edu:uni/ada", "git.example.edu", "uni/ada"),
        ("gh:my-class/ada", "github.com", "my-class/ada"),
        ("gl:uni/course/ada.git", "gitlab.com", "uni/course/ada"),
        ("https://git.example.edu/uni/caf%C3%A9", "git.example.edu", "uni/café"),
    ],
)
def test_host_and_whole_path(address: str, host: str, path: str) -> None:
    assert project_of(address) == Project(host, path)


@pytest.mark.parametrize(
    "address", ["https://github.com", "https://github.com/", "", "/a/b", "https://x:y/a/b"]
)
def test_what_names_no_project(address: str) -> None:
    assert project_of(address) is None


@pytest.mark.parametrize(
    ("kind", "host", "base"),
    [
        ("github", "github.com", "https://api.github.com"),
        ("github", "uni.ghe.com", "https://api.uni.ghe.com"),
        ("github", "git.example.edu:8443", "https://git.example.edu:8443/api/v3"),
        ("gitlab", "gitlab.com", "https://gitlab.com/api/v4"),
        ("gitlab", "git.example.edu", "https://git.example.edu/api/v4"),
    ],
)
def test_where_the_api_is(kind: str, host: str, base: str) -> None:
    assert api_of(kind, host) == base
