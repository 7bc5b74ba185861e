"""Writes the commit and the time of a build into the package, for `theodora --version`."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "src"))

from theodora.version import RECORD, build_record  # noqa: E402

PACKAGE = {"wheel": "theodora", "sdist": "src/theodora"}
"""Where the package is in each kind of build."""


class RecordBuild(BuildHookInterface[Any]):
    """Adds `build.json` to a wheel and to a source distribution."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        unpacked = ROOT / "src" / "theodora" / RECORD
        # An editable install shows git's commit; a source distribution has its record already.
        if version == "editable" or unpacked.exists():
            return
        self._folder = tempfile.TemporaryDirectory()
        record = Path(self._folder.name) / RECORD
        record.write_text(build_record(ROOT))
        build_data["force_include"][str(record)] = f"{PACKAGE[self.target_name]}/{RECORD}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "_folder"):
            self._folder.cleanup()
