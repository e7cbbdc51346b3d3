"""Certificates that TLS itself accepts, and kubeconfigs that stand alone."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from testbed.cluster import credentials, pki
from testbed.cluster.bed import Bed


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Bed:
    made = Bed(tmp_path_factory.mktemp("bed"))
    credentials.make(made, 2)
    return made


def test_server_and_client_trust_each_other(bed: Bed) -> None:
    folder = bed.pki
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.crt"))
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
    client = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13's default
    client.load_cert_chain(folder / "dev.crt", folder / "dev.key")
    near, far = socket.socketpair()
    seen: list[Any] = []

    def serve() -> None:
        with server.wrap_socket(far, server_side=True) as secured:
            seen.append(secured.getpeercert())
            secured.sendall(b"hello")

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(near, server_hostname=bed.node(1).address) as secured:
        assert secured.recv(5) == b"hello"
    thread.join()
    assert (("commonName", "dev"),) in seen[0]["subject"]


@pytest.mark.parametrize(
    ("name", "common_name", "group"),
    [
        ("admin", "admin", "system:masters"),
        ("n2", "system:node:n2", "system:nodes"),
        ("scheduler", "system:kube-scheduler", ""),
    ],
)
def test_who_a_certificate_is(bed: Bed, name: str, common_name: str, group: str) -> None:
    subject = x509.load_pem_x509_certificate((bed.pki / f"{name}.crt").read_bytes()).subject
    assert [a.value for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [common_name]
    assert [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [group][: bool(group)]


@pytest.mark.parametrize(
    ("file", "context", "namespace"),
    [("kubeconfig", "testbed", "default"), ("kubeconfig-dev", "testbed-dev", "team"),
     ("kubeconfig-nolist", "testbed-nolist", "team")],
)  # fmt: skip
def test_kubeconfigs_stand_alone(bed: Bed, file: str, context: str, namespace: str) -> None:
    path = bed.cluster / file
    assert path.stat().st_mode & 0o777 == 0o600
    config = yaml.safe_load(path.read_text())
    assert config["current-context"] == context
    assert config["contexts"][0]["context"]["namespace"] == namespace
    assert config["clusters"][0]["cluster"]["server"] == "https://10.250.1.2:6443"
    login = config["users"][0]["user"]
    assert b"BEGIN PRIVATE KEY" in base64.b64decode(login["client-key-data"])


def test_keys_are_private(bed: Bed) -> None:
    keys = [*bed.pki.glob("*.key"), *bed.pki.glob("*.kubeconfig")]
    assert len(keys) >= 15
    assert [key.name for key in keys if key.stat().st_mode & 0o077] == []


def test_made_once(bed: Bed) -> None:
    before = {path: path.read_bytes() for path in bed.pki.iterdir()}
    credentials.make(bed, 2)
    assert {path: path.read_bytes() for path in bed.pki.iterdir()} == before


def test_an_older_authority_without_its_usage_is_replaced(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    credentials.make(bed, 1)
    certificate = x509.load_pem_x509_certificate((bed.pki / "ca.crt").read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    older = x509.CertificateBuilder(
        certificate.issuer, certificate.subject, key.public_key(), certificate.serial_number,
        certificate.not_valid_before_utc, certificate.not_valid_after_utc,
    ).sign(key, hashes.SHA256())  # fmt: skip
    (bed.pki / "ca.crt").write_bytes(older.public_bytes(serialization.Encoding.PEM))
    credentials.make(bed, 2)
    made = x509.load_pem_x509_certificate((bed.pki / "ca.crt").read_bytes())
    assert made.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    admin = x509.load_pem_x509_certificate((bed.pki / "admin.crt").read_bytes())
    admin.verify_directly_issued_by(made)


def test_a_set_cut_short_is_made_anew_by_the_same_authority(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    credentials.make(bed, 1)
    authority = (bed.pki / "ca.crt").read_bytes()
    assert not (bed.pki / "n2.crt").exists()
    credentials.make(bed, 2)
    assert (bed.pki / "ca.crt").read_bytes() == authority
    assert (bed.pki / "n2.crt").exists()
    assert pki.node_user("n2").group == "system:nodes"
