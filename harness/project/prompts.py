"""Prompts: `prompts/<name>/<version>/<variant>.j2`, rendered to messages.

    {% system %}Classify the text. Answer with one word: {{ labels | join(", ") }}.{% endsystem %}
    {% user %}{{ text }}{% enduser %}

A file without role blocks is one user message. Templates run in a sandbox, and undefined variables are errors.
Roles are fixed when a template is compiled, so the text of a case can never open a role block.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.exceptions import TemplateRuntimeError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from harness.core.errors import PromptError
from harness.core.files import write
from harness.core.toml import hint, table_text
from harness.core.types import Message, Role

LOCK_NAME = "lock.toml"
PAIR = ("gpt", "local")
"""Variants that every version must have. More can be added."""

_COLLECTOR = "_harness_messages"


class RoleBlocks(Extension):
    """Jinja blocks `{% system %}`, `{% user %}` and `{% assistant %}`, each of which is one message."""

    tags = {"system", "user", "assistant"}  # noqa: RUF012  Jinja's own protocol

    def parse(self, parser: Parser) -> nodes.Node:
        """Compile a block to a call that appends a message with its role."""
        token = next(parser.stream)
        role = token.value
        body = parser.parse_statements((f"name:end{role}",), drop_needle=True)
        for inner in body:
            for call in (inner, *inner.find_all(nodes.CallBlock)):
                if isinstance(call, nodes.CallBlock) and _is_role_block(call):
                    parser.fail(f"role block inside {{% {role} %}}: close the outer block first", call.lineno)
        call = self.call_method("_collect", [nodes.ContextReference(), nodes.Const(role)], lineno=token.lineno)
        return nodes.CallBlock(call, [], [], body, lineno=token.lineno)

    def _collect(self, context: Context, role: Role, caller: Callable[[], str]) -> str:
        messages = context[_COLLECTOR]
        before = len(messages)
        text = caller().strip()
        if len(messages) != before:  # opened by a macro, which the parser cannot see
            msg = f"role block inside {{% {role} %}}: close the outer block first"
            raise TemplateRuntimeError(msg)
        messages.append(Message(role, text))
        return ""


def _is_role_block(block: nodes.CallBlock) -> bool:
    target = block.call.node
    return isinstance(target, nodes.ExtensionAttribute) and target.name == "_collect"


_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, extensions=[RoleBlocks], trim_blocks=True, lstrip_blocks=True, autoescape=False
)
# Removed, because the same case must always give the same prompt.
del _ENVIRONMENT.globals["lipsum"], _ENVIRONMENT.filters["random"]


_RENDER_ERRORS = (
    TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError, MemoryError
)  # fmt: skip
"""Errors that a template can raise while rendering."""


@dataclass(frozen=True)
class Variant:
    """Compiled template for one family of models."""

    name: str
    path: Path
    source: str
    variables: frozenset[str]
    has_roles: bool
    template: Template = field(repr=False, compare=False)

    @property
    def digest(self) -> str:
        """Hash of the source, as `sha256:…`. Line endings are normalized, because git may change them."""
        return f"sha256:{hashlib.sha256(self.source.encode()).hexdigest()}"

    def render(self, variables: Mapping[str, Any]) -> tuple[Message, ...]:
        """Render the messages.

        Raises `PromptError` for undefined variables, empty messages and text outside role blocks.
        """
        messages: list[Message] = []
        try:
            rest = self.template.render({**variables, _COLLECTOR: messages}).strip()
        except UndefinedError as error:
            known = sorted(variables)
            missing = re.search(r"'([^']+)' is undefined", str(error))
            near = hint(missing.group(1), known) if missing else ""
            msg = f"{self._where(error)}{error.message}{near}"
            raise PromptError(msg) from None
        except _RENDER_ERRORS as error:
            msg = f"{self._where(error)}cannot be rendered: {error}"
            raise PromptError(msg) from None
        if not self.has_roles:
            messages.append(Message("user", rest))
        elif rest:
            msg = f"{self.path}: text outside the role blocks: {rest[:60]!r}: move it into one"
            raise PromptError(msg)
        if not messages or any(not message.content for message in messages):
            empty = next((m.role for m in messages if not m.content), "user")
            msg = f"{self.path}: the {empty} message is empty"
            raise PromptError(msg)
        return tuple(messages)

    def _where(self, error: BaseException) -> str:
        """`path:line: ` of the innermost frame inside the template."""
        line, trace = 0, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == str(self.path):
                line = trace.tb_lineno
            trace = trace.tb_next
        return f"{self.path}:{line}: " if line else f"{self.path}: "


@dataclass(frozen=True)
class Prompt:
    """One version of a prompt: two or more variants that take the same variables."""

    name: str
    version: str
    variants: Mapping[str, Variant]

    @property
    def id(self) -> str:
        """Id of the version, as `name/version`."""
        return f"{self.name}/{self.version}"

    @property
    def variables(self) -> frozenset[str]:
        """Variables that every variant requires."""
        return next(iter(self.variants.values())).variables

    def variant(self, name: str) -> Variant:
        """Return the variant `name`; raises `PromptError` that suggests the closest name."""
        if name not in self.variants:
            folder = next(iter(self.variants.values())).path.parent
            msg = f"{folder} has no variant {name!r}{hint(name, self.variants)}: add {folder / name}.j2"
            raise PromptError(msg)
        return self.variants[name]


def compile_variant(path: Path) -> Variant:
    """Read and compile one `.j2` file; raises `PromptError` with the line number."""
    try:
        source = path.read_text(encoding="utf-8-sig")
        tree = _ENVIRONMENT.parse(source, filename=str(path))
        code = _ENVIRONMENT.compile(tree, filename=str(path))
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        msg = f"{path}:{line}: not UTF-8 text (byte {error.object[error.start]:#04x}): save the file as UTF-8"
        raise PromptError(msg) from None
    except TemplateSyntaxError as error:
        msg = f"{path}:{error.lineno}: {error.message}"
        raise PromptError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise PromptError(msg) from None
    return Variant(
        name=path.stem,
        path=path,
        source=source,
        variables=frozenset(meta.find_undeclared_variables(tree) - set(_ENVIRONMENT.globals)),
        has_roles=any(_is_role_block(block) for block in tree.find_all(nodes.CallBlock)),
        template=Template.from_code(_ENVIRONMENT, code, _ENVIRONMENT.make_globals(None)),
    )


class PromptLibrary:
    """Prompts of one project: the folder `prompts/` and its lock file."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the project's `prompts/`."""
        self.folder = folder

    def names(self) -> list[str]:
        """Return the names of all prompts, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(p.name for p in self.folder.iterdir() if p.is_dir() and self.versions(p.name))

    def versions(self, name: str) -> list[str]:
        """Return the versions of a prompt, oldest first: v1, v2, … v10."""
        folder = self.folder / name
        if not folder.is_dir():
            return []
        names = (p.name for p in folder.iterdir() if p.is_dir() and re.fullmatch(r"v\d+", p.name))
        return sorted(names, key=lambda version: int(version[1:]))

    def load(self, reference: str, *, version: str | None = None) -> Prompt:
        """Load a prompt and check it against the lock file; raises `PromptError`.

        `reference` is `name` (the newest version) or `name/v2`. `version` overrides the version in `reference`.
        """
        name, _, pinned = reference.partition("/")
        versions = self.versions(name)
        if not versions:
            msg = f"no prompt {name!r} in {self.folder}{hint(name, self.names())}"
            raise PromptError(msg)
        wanted = version or pinned or versions[-1]
        if wanted not in versions:
            msg = f"prompt {name!r} has no version {wanted!r}{hint(wanted, versions)}"
            raise PromptError(msg)
        prompt = self._compile(name, wanted)
        self._check_lock(prompt)
        return prompt

    def _compile(self, name: str, version: str) -> Prompt:
        folder = self.folder / name / version
        variants = {path.stem: compile_variant(path) for path in sorted(folder.glob("*.j2"))}
        for required in PAIR:
            if required not in variants:
                msg = f"{folder}: {required}.j2 is missing: a version needs the variants {' and '.join(PAIR)}"
                raise PromptError(msg)
        first, *others = variants.values()
        for other in others:
            if differing := first.variables ^ other.variables:
                msg = (
                    f"{folder}: {first.path.name} and {other.path.name} must use the same variables: "
                    f"only one of them has {', '.join(sorted(differing))}"
                )
                raise PromptError(msg)
        return Prompt(name, version, variants)

    def locked(self) -> dict[str, dict[str, str]]:
        """Return the released hashes: `name/version` -> variant -> digest. Raises `PromptError`."""
        path = self.folder / LOCK_NAME
        if not path.exists():
            return {}
        try:
            return _released(tomllib.loads(path.read_text(encoding="utf-8")))
        except (ValueError, OSError) as error:
            msg = f"{path}: cannot be read ({error}): restore it from git, or delete it and run `harness prompts lock`"
            raise PromptError(msg) from None

    def _check_lock(self, prompt: Prompt) -> None:
        released = self.locked().get(prompt.id)
        if released is None:
            return
        now = {name: variant.digest for name, variant in prompt.variants.items()}
        differing = sorted(name for name in released.keys() | now.keys() if released.get(name) != now.get(name))
        if differing:
            changes = {
                name: "was added" if name not in released else "changed" if name in now else "was deleted"
                for name in differing
            }
            files = " and ".join(f"{name}.j2 {change}" for name, change in changes.items())
            msg = (
                f"{self.folder / prompt.name / prompt.version}: {files} after {prompt.id} was released: "
                f"restore the version, and edit a new one (`harness prompts new {prompt.name}`)"
            )
            raise PromptError(msg)

    def lock(self, names: Iterable[str] = ()) -> list[str]:
        """Add all versions (of `names`) to the lock file; return the ids that were added."""
        released = self.locked()
        added: list[str] = []
        for name in list(names) or self.names():
            if not self.versions(name):
                self.load(name)
            for version in self.versions(name):
                prompt = self.load(f"{name}/{version}")
                if prompt.id not in released:
                    released[prompt.id] = {key: variant.digest for key, variant in prompt.variants.items()}
                    added.append(prompt.id)
        if added:
            self._write_lock(released)
        return added

    def _write_lock(self, released: Mapping[str, Mapping[str, str]]) -> None:
        keys = sorted(released, key=lambda k: (k.split("/")[0], int(k.rsplit("/v", 1)[1])))
        tables = [table_text(key.split("/"), dict(sorted(released[key].items()))) for key in keys]
        head = "# Hashes of released prompts, written by `harness prompts lock`. A released version never changes.\n"
        write("\n".join([head, *tables]), self.folder / LOCK_NAME)

    def unchanged_from(self, prompt_id: str) -> str | None:
        """Return the id of the previous version if its text is the same, else `None`."""
        name, _, version = prompt_id.partition("/")
        versions = self.versions(name)
        index = versions.index(version)
        if not index:
            return None
        previous, current = (self.load(name, version=number) for number in (versions[index - 1], version))
        old, new = ({key: v.digest for key, v in prompt.variants.items()} for prompt in (previous, current))
        return previous.id if old == new else None

    def new(self, name: str) -> Path:
        """Create the next version as a copy of the newest one, or v1 of a new prompt; return its folder."""
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            msg = f"{name!r} is not a valid prompt name: use lower-case letters, digits and _"
            raise PromptError(msg)
        versions = self.versions(name)
        target = self.folder / name / f"v{int(versions[-1][1:]) + 1 if versions else 1}"
        sources = (
            {path.name: path.read_bytes() for path in (self.folder / name / versions[-1]).glob("*.j2")}
            if versions
            else {f"{variant}.j2": _STARTER[variant].encode() for variant in PAIR}
        )
        for file_name, source in sources.items():
            write(source, target / file_name)
        return target


def _released(data: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Validate the content of a lock file; raises `ValueError`."""
    released: dict[str, dict[str, str]] = {}
    for name, versions in data.items():
        for version, hashes in versions.items() if isinstance(versions, dict) else [("", None)]:
            if not (re.fullmatch(r"v\d+", version) and isinstance(hashes, dict)):
                msg = f"{name!r} is not a table of versions and their hashes"
                raise ValueError(msg)
            released[f"{name}/{version}"] = {variant: str(digest) for variant, digest in hashes.items()}
    return released


_STARTER = {
    "gpt": "{% system %}\nRespond with only the category: {{ labels | join(', ') }}.\n{% endsystem %}\n"
    "{% user %}\n{{ text }}\n{% enduser %}\n",
    "local": "{% system %}\nClassify the text. Answer with exactly one of these words and nothing else: "
    "{{ labels | join(', ') }}.\n{% endsystem %}\n{% user %}\nText: {{ text }}\nCategory:\n{% enduser %}\n",
}
