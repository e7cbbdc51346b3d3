"""The cluster's certificates and the kubeconfig of each client. Elliptic keys: the whole set takes milliseconds."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from testbed.authority import USAGE

YEARS = 10  # longer than any checkout of the bed lives; a test cluster must not die of a date


@dataclass(frozen=True, slots=True)
class User:
    """A client: the API server reads its user from CN and its groups from O."""

    name: str
    common_name: str
    group: str = ""
    namespace: str = "default"


COMPONENTS = (
    User("controller-manager", "system:kube-controller-manager"),
    User("scheduler", "system:kube-scheduler"),
    User("proxy", "system:kube-proxy"),
    User("apiserver-kubelet", "apiserver-kubelet", "system:masters"),  # exec and logs: API server -> kubelet
)
#: What they may do is in manifests/05-users.yaml; admin's group needs no rule.
USERS = (
    User("admin", "admin", "system:masters"),
    User("dev", "dev", namespace="team"),
    User("nolist", "nolist", namespace="team"),
)


def node_user(name: str) -> User:
    return User(name, f"system:node:{name}", "system:nodes")  # this exact form: the Node authorizer knows it


def write(path: Path, data: bytes) -> None:
    """0600 from the first byte on: keys are never readable by others, not for a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(data)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(common_name: str, group: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Authority:
    """A certificate authority in a folder: made at the first call, read at later ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            self.key = key
            self.certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
            self.certificate.extensions.get_extension_for_class(x509.KeyUsage)
        except (FileNotFoundError, x509.ExtensionNotFound):
            self.key = ec.generate_private_key(ec.SECP256R1())
            self.certificate = self._sign(_name("testbed-ca"), self.key, issuer=_name("testbed-ca"), authority=True)
            write(folder / "ca.key", _pem(self.key))
            write(folder / "ca.crt", self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        issuer: x509.Name,
        authority: bool = False,
        usage: x509.ObjectIdentifier | None = None,
        names: tuple[x509.GeneralName, ...] = (),
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))  # clocks of virtual machines jump
            .not_valid_after(now + dt.timedelta(days=365 * YEARS))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if authority:
            builder = builder.add_extension(USAGE, critical=True)
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name: str, subject: x509.Name, usage: x509.ObjectIdentifier, *names: x509.GeneralName) -> None:
        """NAME.crt and NAME.key in the folder."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(subject, key, issuer=self.certificate.subject, usage=usage, names=names)
        write(self.folder / f"{name}.key", _pem(key))
        write(self.folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))

    def client(self, user: User) -> None:
        self.issue(user.name, _name(user.common_name, user.group), ExtendedKeyUsageOID.CLIENT_AUTH)

    def server(self, name: str, hosts: tuple[str, ...], addresses: tuple[str, ...]) -> None:
        alternatives = (*map(x509.DNSName, hosts), *(x509.IPAddress(ipaddress.ip_address(a)) for a in addresses))
        self.issue(name, _name(name), ExtendedKeyUsageOID.SERVER_AUTH, *alternatives)


def signing_keys(folder: Path) -> None:
    """sa.key and sa.pub: what service account tokens are signed and checked with."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    write(folder / "sa.key", _pem(key))
    write(
        folder / "sa.pub",
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    )


def kubeconfig(folder: Path, user: User, server: str, context: str) -> bytes:
    """A complete kubeconfig with everything inside, so that it may be copied anywhere."""

    def inline(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    login = {"client-certificate-data": inline(f"{user.name}.crt"), "client-key-data": inline(f"{user.name}.key")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "testbed", "cluster": {"server": server, "certificate-authority-data": inline("ca.crt")}}
        ],
        "users": [{"name": user.name, "user": login}],
        "contexts": [
            {"name": context, "context": {"cluster": "testbed", "user": user.name, "namespace": user.namespace}}
        ],
        "current-context": context,
    }
    return yaml.safe_dump(config, sort_keys=False).encode()
