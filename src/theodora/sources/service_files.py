"""Descriptions of services that teams keep in their repositories: service.datadog.yaml, CODEOWNERS.

The YAML library is optional (extra `yaml`); it is imported where a description is read.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from theodora.dora.derivation.path_globs import PathFilter
from theodora.dora.derivation.settings_input import read_settings
from theodora.errors import Invalid, Problem
from theodora.events.json_values import JsonObject, is_object
from theodora.sources.webhooks.payload import objects_at, text_at, texts_at

SERVICE_FILES = ("service.datadog.yaml", "service.datadog.yml", "entity.datadog.yaml")
"""Names of files that describe services, in any folder."""
OWNER_FILES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
"""Places of the owners of a repository; the first one that is there counts."""
OTHERS = frozenset((".git", "node_modules", "vendor", ".venv"))
"""Folders whose files are of others."""
MOST_BYTES = 2**20
"""Of a file."""
_V2 = ("v2", "v2.1", "v2.2")


@dataclass(frozen=True, slots=True)
class DescribedService:
    """A service, and the settings that its description gives."""

    name: str
    given: Mapping[str, Any]


def read_service_file(text: str) -> list[DescribedService]:
    """The services that a file describes, in the schemas v2 to v2.2 and v3.

    Other kinds of a v3 file, such as a system, are left out. Raises `Invalid`.
    """
    import yaml  # noqa: PLC0415 - it is optional

    if len(text) > MOST_BYTES:
        raise Invalid(Problem(f"it has more than {MOST_BYTES:,} bytes"))
    try:
        documents: list[Any] = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Invalid(Problem(f"not YAML: {str(error).partition(chr(10))[0]}")) from None
    found: list[DescribedService] = []
    for document in documents:
        if document is None:
            continue
        if not is_object(document):
            raise Invalid(Problem("a description is an object"))
        if described := _described(document):
            found.append(described)
    return found


def wanted_files(paths: Collection[str]) -> list[str]:
    """The files among those of a repository that describe services or name their owners."""
    described = [
        path
        for path in paths
        if path.rpartition("/")[2] in SERVICE_FILES and OTHERS.isdisjoint(path.split("/")[:-1])
    ]
    owners = [name for name in OWNER_FILES if name in paths]
    return [*described, *owners[:1]] if described else []


def described_services(files: Mapping[str, bytes]) -> Iterator[DescribedService | Invalid]:
    """The services that wanted files describe, with the teams of their owners, and the errors."""
    owners = next((files[name] for name in OWNER_FILES if name in files), b"")
    code_owners = CodeOwners(owners.decode(errors="replace"))
    for path, content in files.items():
        if path in OWNER_FILES:
            continue
        try:
            for service in read_service_file(decoded(content)):
                yield with_team(service, code_owners, path)
        except Invalid as invalid:
            yield Invalid(*(problem.beneath(path) for problem in invalid.problems))


def decoded(content: bytes) -> str:
    """The text of a file. Raises `Invalid` for one that is too long, or not UTF-8."""
    if len(content) > MOST_BYTES:
        raise Invalid(Problem(f"it has more than {MOST_BYTES:,} bytes"))
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Invalid(Problem("not UTF-8")) from None


def with_team(service: DescribedService, owners: "CodeOwners", path: str) -> DescribedService:
    """The service with the team that owns it, if its description at `path` names none."""
    team = None if "team" in service.given else owners.team_of_service(service, path)
    return DescribedService(service.name, {**service.given, "team": team}) if team else service


def _described(document: JsonObject) -> DescribedService | None:
    version = text_at(document, "apiVersion") or text_at(document, "schema-version")
    if version == "v3":
        return _read_v3(document) if text_at(document, "kind") == "service" else None
    if version in _V2:
        return _service(
            text_at(document, "dd-service"),
            team=text_at(document, "team"),
            languages=texts_at(document, "languages"),
            tags=texts_at(document, "tags"),
        )
    raise Invalid(Problem(f'the schema must be v2.2 or v3, not "{version or "none"}"'))


def _read_v3(document: JsonObject) -> DescribedService:
    locations = objects_at(document, "datadog", "codeLocations")
    paths = (path for location in locations for path in texts_at(location, "paths"))
    return _service(
        text_at(document, "metadata", "name"),
        team=text_at(document, "metadata", "owner"),
        languages=texts_at(document, "spec", "languages"),
        tags=texts_at(document, "metadata", "tags"),
        path_globs=[path.removeprefix("./").removeprefix("/") for path in paths],
    )


def _service(name: str | None, **members: Any) -> DescribedService:
    """Raises `Invalid` for members that settings cannot have."""
    if not name:
        raise Invalid(Problem("it names no service"))
    given = {
        member: list(dict.fromkeys(value)) if not isinstance(value, str) else value
        for member, value in members.items()
        if value
    }
    try:
        return DescribedService(name, read_settings(given, of_service=True))
    except Invalid as invalid:
        raise Invalid(*(problem.beneath(name) for problem in invalid.problems)) from None


class CodeOwners:
    """The owners of paths by a CODEOWNERS file: the last pattern that fits counts."""

    def __init__(self, text: str) -> None:
        self._rules = list(_rules(text))

    def team_of(self, path: str) -> str | None:
        """The first team among the owners, by its name without its organisation."""
        for pattern, owners in reversed(self._rules):
            if _fits(pattern)(path):
                teams = (owner for owner in owners if owner.startswith("@") and "/" in owner)
                return next((team.rpartition("/")[2] for team in teams), None)
        return None

    def team_of_service(self, described: DescribedService, path: str) -> str | None:
        """The team of the code of a service, else of the file at `path` that describes it."""
        globs = (glob for glob in described.given.get("path_globs", ()) if glob[:1] != "!")
        folders = (_folder(glob) for glob in globs)
        teams = (self.team_of(each) for each in (*folders, path) if each)
        return next((team for team in teams if team), None)


def _rules(text: str) -> Iterator[tuple[str, list[str]]]:
    """Patterns with their owners; a section of GitLab gives its own to patterns without any."""
    usual: list[str] = []
    for line in text.splitlines():
        words = line.partition(" #")[0].split()
        if not words or words[0].startswith("#"):
            continue
        if line.lstrip().startswith(("[", "^[")):
            usual = [word for word in words if "@" in word]
            continue
        yield words[0], words[1:] or usual


def _fits(pattern: str) -> Callable[[str], bool]:
    """Whether a path is what the pattern names, or in a folder that it names."""
    is_anchored = "/" in pattern.rstrip("/")
    glob = pattern.strip("/") or "**"
    beginning = "" if is_anchored else "**/"
    globs = [f"{beginning}{glob}/**"] if not glob.endswith("/*") else []
    if not pattern.endswith("/"):
        globs.append(beginning + glob)
    try:
        accepted = PathFilter(globs)
    except Invalid:
        return lambda _: False
    return lambda path: accepted.matches([path])


def _folder(glob: str) -> str:
    """A path in the folder that a glob begins with; empty if it begins with a wildcard."""
    fixed = glob.partition("*")[0].partition("?")[0]
    if fixed == glob:
        return glob
    folder = fixed.rpartition("/")[0]
    return f"{folder}/_" if folder else ""
