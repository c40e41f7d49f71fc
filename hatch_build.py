"""Adds the demo project to the wheel. An editable installation finds it in the repository."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DemoFiles(BuildHookInterface[Any]):
    """Copies what `harness demo` runs into the package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files, unless the installation is editable."""
        if version == "editable":
            return
        for part in ("harness.toml", "evals", "prompts", "datasets"):
            build_data["force_include"][part] = f"harness/project/demo_files/{part}"
