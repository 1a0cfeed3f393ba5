"""Certificates by openssl: a good one, and one for each way in which a certificate can be wrong."""

from pathlib import Path
from typing import NamedTuple

from tests.proofs.network.processes import run

HOST = "api.test"
_CA = """
[ca]
default_ca = lab
[lab]
database = {folder}/index.txt
rand_serial = yes
new_certs_dir = {folder}
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
"""
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Certificates(NamedTuple):
    """Where they are: each path plus ``.pem`` is the certificate, plus ``.key`` its key.

    Attributes:
        authority: the certificate of the authority the client trusts.
        good: for `HOST`.
        expired: for `HOST`, no longer valid.
        wrong_host: good, but for another name.
        self_signed: for `HOST`, by itself.
        foreign: for `HOST`, by an authority the client does not know.
        both: `good` and its key in one file.
    """

    authority: str
    good: str
    expired: str
    wrong_host: str
    self_signed: str
    foreign: str
    both: str


def make(folder: Path) -> Certificates:
    """Make them all in a new folder."""
    folder.mkdir()
    _authority(folder, "authority")
    _authority(folder, "stranger")
    _issue(folder, "good", HOST)
    _issue(folder, "expired", HOST, since="20240101000000Z", until="20240201000000Z")
    _issue(folder, "wrong-host", "other.test")
    _issue(folder, "foreign", HOST, authority="stranger")
    path = str(folder / "self-signed")
    names = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}")
    run("openssl", "req", "-x509", *_KEY, "-days", "30", *names, "-keyout", f"{path}.key", "-out", f"{path}.pem")
    both = folder / "both.pem"
    both.write_bytes((folder / "good.pem").read_bytes() + (folder / "good.key").read_bytes())
    return Certificates(
        authority=str(folder / "authority.pem"),
        good=str(folder / "good"),
        expired=str(folder / "expired"),
        wrong_host=str(folder / "wrong-host"),
        self_signed=str(folder / "self-signed"),
        foreign=str(folder / "foreign"),
        both=str(both),
    )


def _authority(folder: Path, name: str) -> None:
    """An authority with its own book of what it has issued."""
    path = folder / name
    (folder / f"{name}.books").mkdir()
    (folder / f"{name}.books" / "index.txt").touch()
    (folder / f"{name}.cnf").write_text(_CA.format(folder=folder / f"{name}.books"), encoding="utf-8")
    use = ("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-subj", f"/CN=lab {name}", "-days", "30")
    run("openssl", "req", "-x509", *_KEY, *use, "-keyout", f"{path}.key", "-out", f"{path}.pem")


def _issue(
    folder: Path, name: str, host: str, *, authority: str = "authority", since: str = "", until: str = ""
) -> None:
    """A certificate for one host name; without dates, valid from now for 30 days."""
    path, issuer = folder / name, folder / authority
    extensions = folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName=DNS:{host}\nauthorityKeyIdentifier=keyid\n", encoding="utf-8")
    run("openssl", "req", *_KEY, "-subj", f"/CN={host}", "-keyout", f"{path}.key", "-out", f"{path}.csr")
    dates = ("-startdate", since, "-enddate", until) if until else ("-days", "30")
    sign = ("-cert", f"{issuer}.pem", "-keyfile", f"{issuer}.key", "-extfile", str(extensions), *dates)
    run(
        "openssl",
        "ca",
        "-batch",
        "-notext",
        "-config",
        f"{issuer}.cnf",
        *sign,
        "-in",
        f"{path}.csr",
        "-out",
        f"{path}.pem",
    )
