"""The parts of CI systems that run the lines of `docs/ci`, as their documentation describes them.

Each function takes the text of a block and runs its scripts in order, in the shell and with the
variables of that system.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).parents[1]
PAGES = TOP / "docs" / "ci"
DOCS = TOP / "docs"
LINES = (TOP / "deploy" / "ci" / "send-deployment.sh").read_text()

Texts = Mapping[str, str]

_BLOCK = re.compile(r"<!-- run: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
_LOOKUP = re.compile(r"\b[a-z_]+(?:\.[\w-]+)+")
_AZURE_OUTPUT = re.compile(r"^##vso\[task\.setvariable variable=(\w+)\](.*)$", re.MULTILINE)


def blocks(page: str, kind: str) -> list[str]:
    """The texts of a page's blocks of this kind; the page may be one of `docs` or of `docs/ci`."""
    text = next(folder / page for folder in (PAGES, DOCS) if (folder / page).exists()).read_text()
    found = [block for named, block in _BLOCK.findall(text) if named == kind]
    assert found, f"{page} has no block to run as {kind}"
    return found


@dataclass
class Machine:
    """The checkout of a job, on a machine that has no other variables than those given."""

    folder: Path
    scripts: list[str] = field(default_factory=list)
    """What it has run."""

    def __post_init__(self) -> None:
        deploy = self.folder / "deploy.sh"
        deploy.write_text("#!/bin/sh\ntouch deployed\n")
        deploy.chmod(0o755)

    def run(self, shell: tuple[str, ...], script: str, variables: Texts) -> str:
        """What the script prints; raises `CalledProcessError` if it fails."""
        self.scripts.append(script)
        file = self.folder / "script.sh"
        file.write_text(script)
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        return subprocess.run(
            [*shell, str(file)],
            cwd=self.folder,
            env={**clean, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=True,
        ).stdout


def github(machine: Machine, block: str, variables: Texts, contexts: Mapping[str, Any]) -> None:
    """The steps of a workflow's only job; an action is the one of `deploy/ci/github`."""
    [job] = yaml.safe_load(block)["jobs"].values()
    _github_steps(machine, job["steps"], dict(variables), {"steps": {}, **contexts})


def _github_steps(
    machine: Machine, steps: list[dict[str, Any]], variables: dict[str, str], contexts: Any
) -> None:
    for step in steps:
        given = {
            name: _expanded(text, contexts)
            for name, text in {**step.get("env", {}), **step.get("with", {})}.items()
        }
        if "run" in step:
            files = {name: machine.folder / name for name in ("GITHUB_ENV", "GITHUB_OUTPUT")}
            for file in files.values():
                file.write_text("")
            paths = {name: str(file) for name, file in files.items()}
            bash = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
            shell = bash if step.get("shell") == "bash" else ("bash", "-e")
            machine.run(shell, step["run"], {**variables, **given, **paths})
            variables |= _assignments(files["GITHUB_ENV"])
            outputs = {"outputs": _assignments(files["GITHUB_OUTPUT"])}
            contexts["steps"][step.get("id", "")] = outputs
        elif "/deploy/ci/github@" in step["uses"]:
            action = yaml.safe_load((TOP / "deploy/ci/github/action.yml").read_text())
            inputs = {
                name: given.pop(name, None) or _expanded(row["default"], contexts)
                for name, row in action["inputs"].items()
            }
            assert not given, f"the action has no such input: {given}"
            inside = {**contexts, "inputs": inputs, "steps": {}}
            _github_steps(machine, action["runs"]["steps"], dict(variables), inside)
        else:
            assert step["uses"].startswith("actions/checkout@")


def _expanded(text: str, contexts: Any) -> str:
    """A text with the values of its `${{ }}`."""

    def value(found: re.Match[str]) -> str:
        expression = found[1].replace("&&", " and ").replace("||", " or ")
        looked_up = _LOOKUP.sub(lambda name: repr(_looked_up(name[0], contexts)), expression)
        return str(eval(looked_up, {"__builtins__": {}}))

    return re.sub(r"\$\{\{(.*?)\}\}", value, text)


def _looked_up(name: str, contexts: Any) -> str:
    for part in name.split("."):
        contexts = contexts[part]
    return contexts


def _assignments(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def gitlab(machine: Machine, block: str, variables: Texts, shell: tuple[str, ...]) -> None:
    """The jobs in order; those of an included component come last."""
    passed: dict[str, str] = {}
    for job in [*_gitlab_jobs(block)]:
        machine.run(shell, "\n".join(job["script"]), {**variables, **passed})
        dotenv = job.get("artifacts", {}).get("reports", {}).get("dotenv")
        if dotenv:
            passed |= _assignments(machine.folder / dotenv)


def _gitlab_jobs(block: str) -> Iterator[dict[str, Any]]:
    document = yaml.safe_load(block)
    included = document.pop("include", [])
    yield from document.values()
    for each in included:
        name = each["component"].split("/")[-1].split("@")[0]
        file = TOP / "deploy" / "ci" / "gitlab" / "templates" / f"{name}.yml"
        head, body = file.read_text().split("\n---\n")
        inputs = {
            name: each["inputs"].pop(name, None) or row["default"]
            for name, row in yaml.safe_load(head)["spec"]["inputs"].items()
        }
        assert not each["inputs"], "the component has no such input"
        for name, value in inputs.items():
            body = body.replace(f"$[[ inputs.{name} ]]", value)
        yield from yaml.safe_load(body).values()


def jenkins(machine: Machine, block: str, variables: Texts, credentials: Texts) -> None:
    """The `sh` steps of a declarative pipeline whose post section is last."""
    environment = dict(re.findall(r"^ +([A-Z_]+) = '(.*)'$", block, re.MULTILINE))
    for name, id_ in re.findall(r"([A-Z_]+) = credentials\('(.*)'\)", block):
        environment[name] = credentials[id_]
    for script in jenkins_scripts(block):
        machine.run(("sh", "-xe"), script, {**variables, **environment})


def jenkins_scripts(block: str) -> list[str]:
    """The strings of `sh` steps, as Groovy reads them."""
    found = re.findall(r"\bsh (?:'''(.*?)'''|'([^'\n]+)')", block, re.DOTALL)
    return [re.sub(r"\\(.)", r"\1", long or short, flags=re.DOTALL) for long, short in found]


def circleci(machine: Machine, block: str, variables: Texts) -> None:
    [job] = yaml.safe_load(block)["jobs"].values()
    exported = machine.folder / "bash_env"
    exported.touch()
    variables = {**variables, **job["environment"], "BASH_ENV": str(exported)}
    assert "<<" not in block, "CircleCI would take it for the beginning of a parameter"
    for step in job["steps"]:
        if step != "checkout":
            run = step["run"]
            command = run if isinstance(run, str) else run["command"]
            machine.run(("bash", "-eo", "pipefail"), command, variables)


def azure(machine: Machine, block: str, variables: Texts, secrets: Texts) -> None:
    """Steps see variables, but a secret only where `env` names it."""
    pipeline = yaml.safe_load(block)
    known = {**variables, **pipeline["variables"]}

    def expanded(text: str) -> str:
        values = {**known, **secrets}
        return re.sub(r"\$\(([\w.]+)\)", lambda found: values.get(found[1], found[0]), text)

    for step in pipeline["steps"]:
        env = {name: expanded(text) for name, text in step.get("env", {}).items()}
        shell = ("bash", "--noprofile", "--norc")
        printed = machine.run(shell, expanded(step["bash"]), {**known, **env})
        known |= dict(_AZURE_OUTPUT.findall(printed))


def has_tools() -> bool:
    return all(shutil.which(tool) for tool in ("bash", "curl", "sed"))
