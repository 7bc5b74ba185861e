"""A random world, sent to a server in requests, and the expected values.

Lead times come from how the world was made: each repository is one line of commits. What
became of a deployment otherwise (its verdict, its type, its stages) is what the server explains.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha1
from random import Random
from typing import Any

from actors import TESTER
from asking import DEPLOYMENTS, FAILURE, Tenant
from oracle.intervals import DAY_NS
from oracle.worlds import (
    ENVS,
    REPOSITORIES,
    SECOND_NS,
    SERVICES,
    TAGS,
    TEAMS,
    Scene,
    instants,
    random_periods,
)
from theodora.dora import Commit, PullRequest
from theodora.sources.json_lines import failure_from_document
from theodora.storage import Organisation, Store

_COMMITS = 40
_USUAL_GAP_DAYS = 60


@dataclass
class World:
    """Events by id, as they were sent last, and the commits of each repository, oldest first."""

    tenant: Tenant
    rng: Random
    scene: Scene
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    incidents: dict[str, dict[str, Any]] = field(default_factory=dict)
    commits: dict[str, list[Commit]] = field(default_factory=dict)
    pull_requests: dict[str, list[PullRequest]] = field(default_factory=dict)
    verdicts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """By hand, with the deployment that each is about; in the order given."""
    places: dict[str, int] = field(default_factory=dict[str, int])
    """Of commits in their lines, by SHA."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By service."""

    @property
    def organisation(self) -> Organisation:
        return self.store.keys.organisation(self.tenant.organisation)

    @property
    def store(self) -> Store:
        return self.tenant.built.store

    def tell(self, deployments: int, incidents: int) -> None:
        """Make so many, and tell of them in any order."""
        self.tell_commits()
        for service in SERVICES:
            self.send_settings(service, self._settings())
        for finished_at_ns in instants(self.rng, self.scene, deployments):
            id_ = f"deployment-{self.rng.randrange(10**9):09}"
            self.send_deployment(self._deployment(id_, finished_at_ns))
        for started_at_ns in instants(self.rng, self.scene, incidents):
            id_ = f"incident-{self.rng.randrange(10**9):09}"
            self.send_incident(self._incident(id_, started_at_ns))
        for id_ in self._some(self.deployments, deployments // 6):
            self.judge(id_)
        self.derive()

    def change(self) -> None:
        """Late, corrected, judged, deleted and resolved events."""
        for id_ in self._some(self.deployments, 3):
            old = self.deployments[id_]
            late_ns = old["finished_at"]
            new = self._deployment(id_, self.rng.choice((late_ns, late_ns + 1)))
            # Of another service or environment it would be kept beside the old one.
            self.send_deployment(new | {name: old[name] for name in ("service", "env")})
        for id_ in self._some(self.deployments, 2):
            self.tenant.delete(id_)
            del self.deployments[id_]
        for id_ in self._some(self.deployments, 3):
            self.judge(id_)
        for id_ in self._some(self.incidents, 2):
            old = self.incidents[id_]
            new = self._incident(id_, old["started_at"])
            kept = ("services", "env") if old["services"] else ("services", "env", "team")
            self.send_incident(new | {name: old[name] for name in kept})
        for id_ in self._some(self.incidents, 1):
            self.tenant.delete(id_, FAILURE)
            del self.incidents[id_]
        self.send_settings(self.rng.choice(SERVICES), self._settings())
        self.tell_of_one_more()
        self.derive()

    def tell_of_one_more(self) -> None:
        (finished_at_ns,) = instants(self.rng, self.scene, 1)
        id_ = f"deployment-{self.rng.randrange(10**9):09}"
        self.send_deployment(self._deployment(id_, finished_at_ns))

    def send_deployment(self, sent: dict[str, Any]) -> None:
        self.tenant.create(_present(sent))
        self.deployments[sent["id"]] = sent

    def send_incident(self, sent: dict[str, Any]) -> None:
        """To the API or, with periods, which that does not take, as an import does."""
        if sent["periods"]:
            failure = failure_from_document(_present(sent))
            self.store.failures.add(self.organisation, failure, 1, actor=TESTER).result()
        else:
            self.tenant.create(_present(sent), FAILURE)
        self.incidents[sent["id"]] = sent

    def send_settings(self, service: str, given: dict[str, Any]) -> None:
        self.store.settings.put(self.organisation, given, service, actor=TESTER).result()
        self.settings[service] = given

    def _settings(self) -> dict[str, Any]:
        """What pauses end lead times, and whether regions are sequences of their own."""
        return {
            "lead_time_gap_days": self.rng.choice((_USUAL_GAP_DAYS, 0, 1, 5)),
            "sequence_tag": self.rng.choice((None, "region")),
        }

    def judge(self, id_: str) -> None:
        """An override: no failure, or a failure with any deployment or none as its fix."""
        verdict: dict[str, Any] = {"change_failure": self.rng.random() < 0.6}
        if self.rng.random() < 0.5:
            remedy = self.rng.choice(list(self.deployments))
            verdict["remediation"] = {"id": remedy, "type": "rollforward"}
        self.send_verdict(id_, verdict)

    def send_verdict(self, id_: str, verdict: dict[str, Any]) -> None:
        assert self.tenant.patch(id_, verdict).status_code == 202
        self.verdicts.append((id_, verdict))

    def tell_commits(self) -> None:
        for repository in filter(None, REPOSITORIES):
            line = self._line(repository)
            self.send_commits(repository, line, self._pull_requests(line))

    def send_commits(
        self, repository: str, line: list[Commit], pull_requests: list[PullRequest]
    ) -> None:
        commits = self.store.commits
        commits.add_commits(self.organisation, repository, line, actor=TESTER).result()
        commits.add_pull_requests(
            self.organisation, repository, pull_requests, actor=TESTER
        ).result()
        self.commits[repository] = line
        self.places |= {commit.sha: place for place, commit in enumerate(line)}
        self.pull_requests[repository] = pull_requests

    def derive(self) -> None:
        self.store.derivations.derive_all_queued(actor=TESTER)

    def sent_again(self, tenant: Tenant, services: Mapping[str, str]) -> "World":
        """Sends the world to another organisation, in another order, with renamed services."""
        other = World(tenant, self.rng, self.scene)
        for service, given in self.settings.items():
            other.send_settings(services[service], given)
        for sent in self._some(self.deployments, len(self.deployments)):
            event = self.deployments[sent]
            other.send_deployment(event | {"service": services[event["service"]]})
        for sent in self._some(self.incidents, len(self.incidents)):
            event = self.incidents[sent]
            named = [services[each] for each in event["services"]]
            other.send_incident(event | {"services": named})
        for repository, line in self.commits.items():
            other.send_commits(repository, line, self.pull_requests[repository])
        for id_, verdict in self.verdicts:
            other.send_verdict(id_, verdict)
        other.derive()
        return other

    def true_deployments(self) -> list[dict[str, Any]]:
        """What the metrics are made of."""
        lead_times = self._lead_times()
        return [self._true(sent, lead_times[id_]) for id_, sent in self.deployments.items()]

    def true_incidents(self) -> list[dict[str, Any]]:
        return [
            {name: sent.get(name) for name in ("id", "env", "team", "services", "custom_tags")}
            | {"repository_id": _repository_id(sent)}
            | {"started_at_ns": sent["started_at"], "finished_at_ns": sent["finished_at"]}
            | {"periods": [(each["started_at"], each["finished_at"]) for each in sent["periods"]]}
            for sent in self.incidents.values()
        ]

    def instants_ns(self) -> list[int]:
        """Where events lie."""
        finished = [sent["finished_at"] for sent in self.deployments.values()]
        return finished + [sent["started_at"] for sent in self.incidents.values()]

    def _some(self, events: dict[str, Any], count: int) -> list[str]:
        return self.rng.sample(list(events), min(count, len(events)))

    def _described(self, id_: str) -> dict[str, Any]:
        return {
            "id": id_,
            "env": self.rng.choice(ENVS),
            "team": self.rng.choice(TEAMS),
            "custom_tags": self.rng.sample(TAGS, self.rng.choice((0, 0, 1, 2, 3))),
        }

    def _deployment(self, id_: str, finished_at_ns: int) -> dict[str, Any]:
        return self._described(id_) | {
            "service": self.rng.choice(SERVICES),
            "version": self.rng.choice((None, *"123456")),
            "started_at": finished_at_ns - self.rng.randrange(3_600) * SECOND_NS,
            "finished_at": finished_at_ns,
            "git": self._git(finished_at_ns),
        }

    def _incident(self, id_: str, started_at_ns: int) -> dict[str, Any]:
        services = self.rng.sample(SERVICES, self.rng.choice((0, 1, 1, 2, 3)))
        times = random_periods(self.rng, started_at_ns)
        described = self._described(id_)
        return described | {
            "services": services,
            "team": described["team"] if services else "red",
            "started_at": started_at_ns,
            "finished_at": times["finished_at_ns"],
            "periods": [
                {"started_at": began_ns, "finished_at": ended_ns}
                for began_ns, ended_ns in times["periods"]
            ],
            "git": self._git(started_at_ns),
        }

    def _git(self, at_ns: int) -> dict[str, str] | None:
        """Mostly a commit of about that time; sometimes an old one or one that nobody knows."""
        if (kind := self.rng.random()) < 0.15:
            return None
        repository = self.rng.choice([each for each in REPOSITORIES if each])
        line = self.commits[repository]
        written = sum(commit.author_time_ns <= at_ns for commit in line)
        place = written - 1 + self.rng.choice((0, 0, 0, -1, -2, 2))
        sha = line[min(max(place, 0), len(line) - 1)].sha if kind < 0.9 else _sha(f"lost {kind}")
        return {"commit_sha": sha, "repository_url": f"https://{repository}.git"}

    def _line(self, repository: str) -> list[Commit]:
        """Commits over the length of the scene, one on another, their times not quite in order."""
        step_ns = round(self.scene.days * DAY_NS / _COMMITS)
        line: list[Commit] = []
        for number in range(_COMMITS):
            written_ns = self.scene.instant_ns + (number - _COMMITS * 6 // 10) * step_ns
            written_ns += self.rng.randrange(-step_ns, step_ns)
            line.append(
                Commit(
                    sha=_sha(f"{repository} {number}"),
                    parents=tuple(commit.sha for commit in line[-1:]),
                    author_time_ns=written_ns // (SECOND_NS // 4) * (SECOND_NS // 4),
                    commit_time_ns=written_ns,
                    subject=f"Change {number}",
                )
            )
        return line

    def _pull_requests(self, line: list[Commit]) -> list[PullRequest]:
        return [
            PullRequest(
                number=number,
                title=self.rng.choice((f"Add {number}", f"Add {number}", "Hotfix")),
                merge_method="merge",
                commits=(commit,),
                ready_at_ns=commit.commit_time_ns + self.rng.randrange(-100, 100) * SECOND_NS,
                last_approved_at_ns=commit.commit_time_ns + self.rng.randrange(200) * SECOND_NS,
                merged_at_ns=commit.commit_time_ns + 200 * SECOND_NS,
            )
            for number, commit in enumerate(line)
            if self.rng.random() < 0.3
        ]

    def _true(self, sent: dict[str, Any], lead_times: list[float | None]) -> dict[str, Any]:
        answer = self.tenant.ask("GET", f"{DEPLOYMENTS}/{sent['id']}/explanation")
        explained = answer.json()["data"]["attributes"]
        commits = explained["lead_time"]["commits"]
        told = [each for each in commits if each["lead_time"] is not None]
        spans = [each["lead_time"] for each in told]
        assert sorted(spans) == sorted(each for each in lead_times if each is not None)
        stages = (each["stages"] for each in told)
        return {
            name: sent.get(name) for name in ("id", "service", "env", "team", "custom_tags")
        } | {
            "repository_id": _repository_id(sent),
            "finished_at_ns": sent["finished_at"],
            "lead_times": lead_times,
            "stages": [None if each is None else next(stages) for each in lead_times],
            "change_failure": explained["failure"]["change_failure"],
            "deployment_type": explained["type"]["deployment_type"],
            "recovery_time": explained["failure"]["recovery_time"],
        }

    def _lead_times(self) -> dict[str, list[float | None]]:
        """Of each deployment: seconds, or None for what was written after it."""
        found: dict[str, list[float | None]] = {id_: [] for id_ in self.deployments}
        sequences: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for sent in self.deployments.values():
            name = sent["service"], sent["env"], self._regions(sent)
            sequences.setdefault(name, []).append(sent)
        for (service, *_), those in sequences.items():
            gap_days = self.settings.get(service, {}).get("lead_time_gap_days", _USUAL_GAP_DAYS)
            found |= self._lead_times_of(self._in_order(those), gap_days)
        return found

    def _regions(self, sent: dict[str, Any]) -> frozenset[str]:
        """What makes it a sequence of its own: all its regions, where the service is divided."""
        is_divided = self.settings.get(sent["service"], {}).get("sequence_tag")
        tags = sent["custom_tags"] if is_divided else ()
        return frozenset(tag for tag in tags if tag.startswith("region:"))

    def _in_order(self, those: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """By finish; then ancestors before descendants, and else by start and id."""
        left, ordered = sorted(those, key=_position), []
        while left:
            tied = [each for each in left if each["finished_at"] == left[0]["finished_at"]]
            for chosen in tied:
                if not any(self._is_ancestor(each, chosen) for each in tied):
                    ordered.append(chosen)
                    left.remove(chosen)
                    break
        return ordered

    def _is_ancestor(self, one: dict[str, Any], other: dict[str, Any]) -> bool:
        places = self._place(one), self._place(other)
        is_same_line = _repository_id(one) == _repository_id(other)
        return is_same_line and None not in places and places[0] < places[1]

    def _place(self, sent: dict[str, Any]) -> int | None:
        """That of its commit in the line of its repository; None if it is in none."""
        return self.places.get(sent["git"]["commit_sha"]) if sent["git"] else None

    def _lead_times_of(
        self, ordered: list[dict[str, Any]], gap_days: int
    ) -> dict[str, list[float | None]]:
        found: dict[str, list[float | None]] = {}
        lines: dict[str | None, _Sequence] = {}
        for sent in ordered:
            repository, place = _repository_id(sent), self._place(sent)
            if repository is None or place is None:
                continue
            before = lines.get(repository)
            shipped = max(place, before.shipped) if before else place
            pause_ns = sent["finished_at"] - before.finished_at_ns if before else 0
            if before and (not gap_days or pause_ns <= gap_days * DAY_NS):
                found[sent["id"]] = [
                    _seconds(sent["finished_at"] - commit.author_time_ns)
                    for commit in self.commits[repository][before.shipped + 1 : place + 1]
                ]
            lines[repository] = _Sequence(sent["finished_at"], shipped)
        return found


@dataclass(frozen=True)
class _Sequence:
    finished_at_ns: int
    """When the last deployment of a known commit did."""
    shipped: int
    """The place of the newest commit in its line."""


def _position(sent: dict[str, Any]) -> tuple[int, int, bytes]:
    return sent["finished_at"], sent["started_at"], sent["id"].encode()


def _seconds(span_ns: int) -> float | None:
    return span_ns / SECOND_NS if span_ns >= 0 else None


def _present(sent: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sent.items() if value not in (None, [])}


def _repository_id(sent: dict[str, Any]) -> str | None:
    return sent["git"]["repository_url"][8:-4] if sent["git"] else None


def _sha(text: str) -> str:
    return sha1(text.encode()).hexdigest()
