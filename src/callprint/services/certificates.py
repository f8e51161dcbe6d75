"""Certificates for the cluster of one machine: an authority, a server it signed, and an unrelated authority."""

import subprocess
from pathlib import Path

from callprint.core.ground.errors import ConfigError

DAYS = "3650"


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"openssl {arguments[0]} failed: {done.stderr.strip()[-500:]}")


def make(folder: Path) -> Path:
    """Create the certificates unless they exist, and return the folder.

    `ca.pem` signed `server.pem` (key `server.key`, both in `server-keystore.pem`); `other-ca.pem` signed nothing
    here: a client that trusts only that one must refuse the server.
    """
    if (folder / "server-keystore.pem").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("ca", "other-ca"):
        _openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", DAYS),
            *("-subj", f"/CN=callprint {name}"),
            *("-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")),
        )
    key, request, certificate = (str(folder / f"server.{end}") for end in ("key", "csr", "pem"))
    names = folder / "names.ext"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    _openssl(
        "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", request
    )
    _openssl(
        *("x509", "-req", "-in", request, "-CA", str(folder / "ca.pem"), "-CAkey", str(folder / "ca.key")),
        *("-CAcreateserial", "-days", DAYS, "-extfile", str(names), "-out", certificate),
    )
    chain = [folder / "server.key", folder / "server.pem", folder / "ca.pem"]
    (folder / "server-keystore.pem").write_text("".join(part.read_text() for part in chain))
    _openssl(
        *("pkcs12", "-export", "-in", str(folder / "server-keystore.pem"), "-name", "server"),
        *("-passout", "pass:callprint", "-out", str(folder / "server.p12")),
    )
    return folder
