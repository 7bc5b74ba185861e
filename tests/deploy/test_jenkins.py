"""The Jenkinsfile of docs/ci/jenkins.md, read by Groovy as Jenkins reads it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ci_systems import blocks, jenkins_scripts
from clients.workbench import CACHE
from installing import run_or_skip

FOLDER = Path(__file__).with_name("jenkins")

pytestmark = [
    pytest.mark.integrations,
    *(
        pytest.mark.skipif(not shutil.which(tool), reason=f"this machine has no {tool}")
        for tool in ("java", "mvn")
    ),
]


@pytest.fixture(scope="module")
def groovy() -> str:
    """The class path of Groovy, which is installed once."""
    libraries = CACHE / "groovy"
    if not libraries.exists():
        maven = ("mvn", "--quiet", "--batch-mode", "--file", str(FOLDER / "pom.xml"))
        copy = ("dependency:copy-dependencies", f"-DoutputDirectory={libraries}")
        run_or_skip(*maven, *copy, environment=os.environ)
    return f"{libraries}/*"


def test_groovy_reads_the_scripts_that_are_run(groovy: str, tmp_path: Path) -> None:
    [block] = blocks("jenkins.md", "jenkins")
    file = tmp_path / "Jenkinsfile"
    file.write_text(block)
    done = subprocess.run(
        ["java", "-cp", groovy, "groovy.ui.GroovyMain", str(FOLDER / "evaluate.groovy"), str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\0") == jenkins_scripts(block)
