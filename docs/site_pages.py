"""Pages of the site from outside this folder, for mkdocs: README, CONTRIBUTING, CHANGELOG, and the index of benchmarks.

On GitHub, pages link to files of the repository. On the site, links to these four become links to their pages. Links
to other files become plain text, because the site has no copy of them.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import join, normpath
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
PAGES["bench/README.md"] = "benchmarks.md"

_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|#|mailto:)([^)\s#]+)(#[^)]*)?\)")
_PICTURE = re.compile(r"!\[([^\]]*)\]\(docs/")
_FENCE = re.compile(r"(```.*?```)", re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages."""
    from mkdocs.structure.files import File

    for source, target in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, target, content=_PICTURE.sub(r"![\1](", rewritten(text, source))))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite the links of the pages of this folder."""
    if page.file.src_uri in PAGES.values():
        return markdown
    return rewritten(markdown, f"docs/{page.file.src_uri}")


def rewritten(text: str, source: str) -> str:
    """A page of the repository with links for the site. `source`: its path in the repository."""

    def link(found: re.Match[str]) -> str:
        label, target, anchor = found[1], found[2], found[3] or ""
        path = normpath(join(source.rpartition("/")[0], target))
        if path in PAGES:
            return f"[{label}]({_from(source, PAGES[path])}{anchor})"
        if path.startswith("docs/"):
            return f"[{label}]({_from(source, path.removeprefix('docs/'))}{anchor})"
        return label

    parts = _FENCE.split(text)
    return "".join(part if part.startswith("```") else _LINK.sub(link, part) for part in parts)


def _from(source: str, target: str) -> str:
    """The link from a page to another page of the site. Pages of `docs/evidence/` are one folder deeper."""
    return f"../{target}" if source.startswith("docs/") and source.count("/") > 1 else target
