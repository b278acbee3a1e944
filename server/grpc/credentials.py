"""TLS, and mutual TLS, of the gRPC port."""

from collections.abc import Callable

import grpc

from dragoman.server.access.certificates import CertificateFiles, Certificates
from dragoman.server.config import TlsConfig


def make_credentials(
    tls: TlsConfig, on_expiry_known: Callable[[float], None] = lambda expiry: None
) -> grpc.ServerCredentials | None:
    """Credentials that follow the files, or None if no certificate is configured.

    With `client_ca` only clients with a certificate from one of these authorities may connect. A changed file takes
    effect at the next connection; if it is broken, or the key does not match the certificate, the old files stay in
    use.

    on_expiry_known: see `CertificateFiles`.

    Raises InvalidInputError that names a faulty file.
    """
    if tls.certificate is None or tls.key is None:
        return None
    files = CertificateFiles(tls.certificate, tls.key, tls.client_ca, on_expiry_known)

    def fetch_changed() -> grpc.ServerCertificateConfiguration | None:
        """Called at every handshake."""
        changed = files.load_changed()
        return None if changed is None else _configure(changed)

    return grpc.dynamic_ssl_server_credentials(
        _configure(files.load()),
        fetch_changed,  # type: ignore[arg-type]  # None, says gRPC, changes nothing
        require_client_authentication=tls.client_ca is not None,
    )


def _configure(found: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(found.key, found.chain)], root_certificates=found.authorities)
