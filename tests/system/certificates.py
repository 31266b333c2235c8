"""Certificates for the tests: made by openssl, each its own authority."""
import functools
import pathlib
import subprocess
import tempfile

KINDS = {"rsa": ("rsa:2048",), "weak": ("rsa:1024",), "ecdsa": ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")}


def make(folder, name, kind="ecdsa", names=("relay.example",), days=30):
    """(certificate, key): files in the folder. Days of -1: it is outdated since yesterday."""
    certificate, key = pathlib.Path(folder) / f"{name}.pem", pathlib.Path(folder) / f"{name}.key"
    names = ",".join(f"{'IP' if host[-1].isdigit() else 'DNS'}:{host}" for host in names)
    request, extension = certificate.with_suffix(".csr"), certificate.with_suffix(".ext")
    extension.write_text(f"subjectAltName={names}\n")
    for command in (["req", "-new", "-newkey", *KINDS[kind], "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request],
                    ["x509", "-req", "-in", request, "-signkey", key, "-days", str(days), "-extfile", extension, "-out", certificate]):
        subprocess.run(["openssl", *command], check=True, stderr=subprocess.DEVNULL)
    return certificate, key


@functools.cache
def shared(kind="ecdsa"):
    """A pair that no test changes, for relay.example and 127.0.0.1."""
    folder = tempfile.mkdtemp(prefix="sluice-certificate-")
    return make(folder, kind, kind, ("relay.example", "127.0.0.1"))


def section(*pairs):
    certificates, keys = (", ".join(f'"{path}"' for path in paths) for paths in zip(*pairs))
    return f"tls {{ certificate = {{{certificates}}} key = {{{keys}}} }}"
