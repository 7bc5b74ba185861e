"""`theodora tls init`, and a server that speaks https with what it makes."""

import ssl
import stat
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner, Result
from cryptography import x509

import serving
from forked_serving import forked
from theodora.cli import main

FILES = ["authority-key.pem", "authority.pem", "server-key.pem", "server.pem"]


def init(folder: Path, *names: str) -> Result:
    return CliRunner().invoke(main, ["tls", "init", "--out", str(folder), *names])


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def test_it_makes_an_authority_and_a_certificate(tmp_path: Path) -> None:
    done = init(tmp_path / "tls", "api.dora.example.org", "127.0.0.1")

    assert done.exit_code == 0, done.output
    assert sorted(file.name for file in (tmp_path / "tls").iterdir()) == FILES
    server = certificate(tmp_path / "tls" / "server.pem")
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["api.dora.example.org"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert (server.not_valid_after_utc - server.not_valid_before_utc).days == 825


@pytest.mark.parametrize("name", ["https://api.dora.example.org", "-dora", "a b", "10.0.0.0/8"])
def test_what_is_no_host_is_refused(tmp_path: Path, name: str) -> None:
    done = init(tmp_path, "--", "localhost", name)

    assert done.exit_code == 1
    assert f'"{name}" is neither a host name nor an address' in done.output


def test_keys_can_be_read_by_their_owner_alone(tmp_path: Path) -> None:
    init(tmp_path, "localhost")

    for name in ("authority-key.pem", "server-key.pem"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_it_tells_what_to_set(tmp_path: Path) -> None:
    output = init(tmp_path, "api.dora.example.org").output

    assert f"--tls-cert {tmp_path}/server.pem --tls-key {tmp_path}/server-key.pem" in output
    assert f"NODE_EXTRA_CA_CERTS={tmp_path}/authority.pem" in output


def test_done_again_it_keeps_the_authority_and_makes_another_certificate(tmp_path: Path) -> None:
    init(tmp_path, "localhost")
    before = {name: (tmp_path / name).read_bytes() for name in FILES}

    assert init(tmp_path, "localhost", "dora.example.org").exit_code == 0

    after = {name: (tmp_path / name).read_bytes() for name in FILES}
    kept = [name for name in FILES if before[name] == after[name]]
    assert kept == ["authority-key.pem", "authority.pem"]


def test_an_authority_that_cannot_be_used_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "authority.pem").write_text("not a certificate")

    done = init(tmp_path, "localhost")

    assert done.exit_code == 1
    assert f"cannot use the authority in {tmp_path}" in done.output
    assert [file.name for file in tmp_path.iterdir()] == ["authority.pem"]


def test_a_server_with_the_certificate_is_trusted_by_who_trusts_the_authority(
    tmp_path: Path,
) -> None:
    init(tmp_path, "127.0.0.1")
    environment = {
        "THEODORA_TLS_CERT": str(tmp_path / "server.pem"),
        "THEODORA_TLS_KEY": str(tmp_path / "server-key.pem"),
    }
    trusting = ssl.create_default_context(cafile=tmp_path / "authority.pem")
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT

    with forked(tmp_path, environment=environment) as server:
        assert server.url.startswith("https://127.0.0.1:")
        answer = httpx2.get(f"{server.url}/api/v1/validate", headers=serving.KEYS, verify=trusting)
        assert answer.json() == {"valid": True}
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx2.get(f"{server.url}/healthz")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tls-cert", "server.pem"], "tls_cert and tls_key must be given together"),
        (["--tls-key", "server.pem"], "tls_cert and tls_key must be given together"),
        (
            ["--tls-cert", "nowhere.pem", "--tls-key", "nowhere-key.pem"],
            "cannot use certificate nowhere.pem with key nowhere-key.pem: ",
        ),
    ],
)
def test_a_certificate_that_cannot_be_used_stops_the_server_at_once(
    tmp_path: Path, flags: list[str], message: str
) -> None:
    database = f"sqlite:///{tmp_path / 'theodora.db'}"

    done = CliRunner().invoke(main, ["serve", "--database", database, *flags])

    assert done.exit_code == 1
    assert message in done.output


def test_without_cryptography_it_names_the_extra_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['cryptography'] = None; from theodora.cli import main; main()"
    command = [sys.executable, "-c", code, "tls", "init", "--out", str(tmp_path), "localhost"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == (
        "Error: Certificates need cryptography, which is not installed: "
        'pip install "theodora[tls]"\n'
    )
    assert list(tmp_path.iterdir()) == []
