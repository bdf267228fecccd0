"""The files that are installed beside the package: the pages of the documentation, and the shell completions.

They are in ``share`` of the environment, as the wheel's list of files says; in a source checkout, in ``docs``.
"""

from pathlib import Path
from typing import Final

from vtctap.command_line.parsers import COMMANDS, suggested
from vtctap.errors import CommandError

__all__ = ["SHELLS", "completion", "page", "pages"]

_PAGES: Final = "share/doc/vtctap"
SHELLS: Final = {
    "bash": "share/bash-completion/completions/vtctap",
    "fish": "share/fish/vendor_completions.d/vtctap.fish",
    "zsh": "share/zsh/site-functions/_vtctap",
}
"""Shell, and the path of its completion in an environment."""
_CHECKOUT: Final = Path(__file__).resolve().parents[2] / "docs"


def _installed(folder: str) -> dict[str, Path]:
    """Returns the files of a folder of the environment, by name."""
    if (_CHECKOUT / "fields.md").is_file():
        own = _CHECKOUT if folder == _PAGES else _CHECKOUT / folder
        return {path.name: path for path in sorted(own.iterdir()) if path.is_file()}
    from importlib.metadata import PackageNotFoundError, files

    try:
        listed = files("vtctap") or []
    except PackageNotFoundError:
        listed = []
    return {file.name: Path(str(file.locate())) for file in listed if file.parent.as_posix().endswith(folder)}


def pages() -> dict[str, str]:
    """Returns the names and titles of the pages."""
    titles = {}
    for name, path in _installed(_PAGES).items():
        if name.endswith(".md"):
            titles[name.removesuffix(".md")] = path.read_text("utf-8").partition("\n")[0].removeprefix("# ")
    return titles


def page(name: str) -> str:
    """Returns the text of a page. Raises CommandError if there is no page with that name."""
    if name not in pages():
        near = suggested(name, [*COMMANDS, *pages()])
        raise CommandError(f"there is no command and no page {name!r}{near}; 'vtctap help pages' lists the pages")
    return _installed(_PAGES)[f"{name}.md"].read_text("utf-8")


def completion(shell: str) -> str:
    """Returns the completion script for a shell. Raises CommandError if it is not installed."""
    folder, _, name = SHELLS[shell].rpartition("/")
    found = _installed(folder).get(name)
    if found is None:
        raise CommandError("this installation of vtctap has no shell completions: install its wheel")
    return found.read_text("utf-8")
