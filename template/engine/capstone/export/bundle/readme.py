"""README.md of an exported folder, from templates/readme.md."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def render_readme(name: str, run: str, files: set[str]) -> str:
    """How to start the service, and what its files are."""
    environment = Environment(
        loader=PackageLoader("capstone.export.bundle"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    folders = {file.partition("/")[0] + "/" for file in files if "/" in file}
    template = environment.get_template("readme.md")
    return template.render(name=name, run=run, files=files | folders)
