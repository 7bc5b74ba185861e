#!/usr/bin/env bash
# Runs `make test` and `make serve` in a minimal Debian with nothing but git, make and Python; then pip, uvx and
# pipx with the wheel alone.
#
# The system is made with debootstrap once and kept in the cache; each run works on a copy of it, with
# a clean clone of HEAD. Where packages come from is what this machine's own apt and pip are told.
set -euo pipefail

SUITE=${SUITE:-bookworm}
TESTS=${TESTS:-}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/theodora/fresh
BASE=$CACHE/$SUITE
ROOT=$CACHE/root
HERE=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)

main() {
  [ "$(id -u)" = 0 ] || { echo "make fresh changes its root: run it as root, for example with sudo"; exit 1; }
  if [ -z "${THEODORA_FRESH_INSIDE:-}" ]; then
    mkdir -p "$CACHE"
    exec 9>"$CACHE/lock"
    flock --nonblock 9 || { echo "make fresh is running already"; exit 1; }
    make_base
    # Mounts are gone with the namespace, however this ends.
    THEODORA_FRESH_INSIDE=yes exec unshare --mount --pid --fork --kill-child "$0"
  fi
  # The first process of a namespace is told of signals only where it asks for them.
  trap 'exit 130' INT TERM
  make_copy
  status=0
  inside 'make test TESTS="$TESTS"' || status=$?
  inside "$PROBE" || status=$?
  inside 'make deploy TESTS=tests/deploy/test_wheel.py' || status=$?
  exit "$status"
}

make_base() {
  [ ! -e "$BASE/made" ] || return 0
  command -v debootstrap >/dev/null || apt-get install --yes --quiet debootstrap >/dev/null
  echo "Making a minimal Debian $SUITE in $BASE"
  rm -rf "$BASE"
  mkdir -p "$BASE"
  debootstrap --variant=minbase --include=ca-certificates,git,make,python3,python3-venv \
    "$SUITE" "$BASE" "$(mirror)" >"$CACHE/debootstrap.log" || { tail "$CACHE/debootstrap.log"; exit 1; }
  touch "$BASE/made"
}

# The mirror that this machine's apt uses; it has the other suites too.
mirror() {
  local own found
  own=$(. /etc/os-release && echo "$VERSION_CODENAME")
  found=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' | awk -v suite="$own" '$1 == suite {print $2; exit}')
  [ -n "${MIRROR:-$found}" ] || { echo "no mirror of $own in /etc/apt: name one with MIRROR=" >&2; exit 1; }
  echo "${MIRROR:-$found}"
}

make_copy() {
  mount --make-rprivate /
  rm -rf "$ROOT"
  cp -a --reflink=auto "$BASE" "$ROOT"
  apt-config dump | grep '^Acquire::' >"$ROOT/etc/apt/apt.conf.d/99host" || true
  for file in /etc/hosts /etc/resolv.conf /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e "$file" ] || cp -L "$file" "$ROOT$file"
  done
  if [ -e "$HOME/.config/pip/pip.conf" ]; then
    mkdir -p "$ROOT/root/.config/pip"
    cp -L "$HOME/.config/pip/pip.conf" "$ROOT/root/.config/pip/"
  fi
  mount -t proc proc "$ROOT/proc"
  mount --rbind /dev "$ROOT/dev"
  git clone --quiet --no-hardlinks "$HERE" "$ROOT/root/theodora"
  echo "Testing $(git -C "$ROOT/root/theodora" log -1 --oneline) in $ROOT"
}

# Runs a command in the clone, with no more of this machine's environment than what pip and proxies need.
inside() {
  local kept=()
  while IFS= read -r each; do kept+=("$each"); done < <(env | grep -E '^(PIP_|(https?|no|all)_proxy=|(HTTPS?|NO|ALL)_PROXY=|SSL_CERT_FILE=)' | grep -v '^PIP_FIND_LINKS=' || true)
  chroot "$ROOT" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin TESTS="$TESTS" \
    "${kept[@]}" bash -euo pipefail -c "cd /root/theodora; $1"
}

# What a newcomer does first: start the server, open a page, send a deployment and find it; then install a
# server of their own, as README shows.
read -r -d '' PROBE <<'PROBE' || true
make serve >serve.log 2>&1 &
trap 'kill $!; wait' EXIT
for _ in $(seq 600); do
  ! grep -q "is listening" serve.log || break
  kill -0 $! || { cat serve.log; exit 1; }
  sleep 0.2
done
.venv/bin/python - <<'PYTHON'
import json, re, time, urllib.request
from pathlib import Path

url = re.search(r"is listening on (\S+)", Path("serve.log").read_text())[1]
page = urllib.request.urlopen(f"{url}/").read().decode()
assert "Sign in to Theodora" in page, page
event = {"service": "fresh", "started_at": int(time.time()), "finished_at": int(time.time())}
keys = {"DD-API-KEY": Path(".theodora/api-key").read_text().strip()}
request = urllib.request.Request(
    f"{url}/api/v2/dora/deployment",
    json.dumps({"data": {"attributes": event}}).encode(),
    {"Content-Type": "application/json", **keys},
)
print("created", json.load(urllib.request.urlopen(request))["data"]["id"])
PYTHON
.venv/bin/theodora search service:fresh | grep fresh
echo "make serve: the page answers, a deployment was sent and found"
make dist
python3 -m venv "$HOME/theodora-server"
"$HOME/theodora-server/bin/pip" install --quiet dist/*.whl
"$HOME/theodora-server/bin/theodora" --version
PROBE

main
