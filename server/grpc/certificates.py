"""TLS, and mutual TLS: certificates that are read again when their files change."""

import base64
import logging
import os
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import grpc

from dragoman.model.errors import InvalidInputError
from dragoman.server.config import TlsConfig

logger = logging.getLogger(__name__)

_INTEGER, _SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _EXPLICIT_0 = 0x02, 0x30, 0x17, 0x18, 0xA0


def make_credentials(
    tls: TlsConfig, on_expiry_known: Callable[[float], None] | None = None
) -> grpc.ServerCredentials | None:
    """Credentials that follow the files, or None where no certificate is configured.

    With `client_ca` only clients with a certificate of one of these authorities are let in. A changed file counts from
    the next connection on; if it is broken, or key and certificate do not belong together, everything stays as it was.

    on_expiry_known: called at once and at every change, on any thread, with the time at which the certificate expires,
    in seconds since the epoch.

    Raises InvalidInputError, which names the file, if what there is now is no good.
    """
    if tls.certificate is None or tls.key is None:
        return None
    certificates = _Certificates(tls.certificate, tls.key, tls.client_ca, on_expiry_known)
    return grpc.dynamic_ssl_server_credentials(
        certificates.load(),
        certificates.fetch_changed,  # type: ignore[arg-type]  # None, says gRPC, changes nothing
        require_client_authentication=tls.client_ca is not None,
    )


class _Certificates:
    """The files and what was last seen of them."""

    def __init__(
        self, certificate: Path, key: Path, client_ca: Path | None, on_expiry_known: Callable[[float], None] | None
    ) -> None:
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._on_expiry_known = on_expiry_known
        self._lock = threading.Lock()  # gRPC's threads shake hands at the same time
        self._version = self._look()

    def load(self) -> grpc.ServerCertificateConfiguration:
        """What the files hold, once it is known to be whole. Raises InvalidInputError that names the file."""
        chain, key = _read(self._certificate), _read(self._key)
        authorities = None if self._client_ca is None else _read(self._client_ca)
        try:
            expiry = read_expiry(chain)
        except ValueError as error:
            raise InvalidInputError(f"{self._certificate}: holds no certificate in PEM") from error
        self._check_pair()
        if authorities is not None:
            _check_authorities(authorities, self._client_ca)
        if self._on_expiry_known is not None:
            self._on_expiry_known(expiry)
        return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=authorities)

    def fetch_changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new configuration if a file has changed since the last time, else None; called at every handshake."""
        with self._lock:
            version = self._look()
            if version == self._version:
                return None
            self._version = version  # first: a broken file is told of once
            try:
                loaded = self.load()
            except InvalidInputError as error:
                logger.error("the certificate stays as it was: %s", error)
                return None
            if self._look() != version:  # one was being replaced meanwhile: the next handshake looks again
                self._version = ()
                return None
        logger.warning("%s was read again", self._certificate)
        return loaded

    def _check_pair(self) -> None:
        """Lets OpenSSL say whether the key is the certificate's; gRPC would only fail every handshake."""
        try:
            # An encrypted key must not make OpenSSL ask for its password on the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._key, password="")
        except (ssl.SSLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or str(error)
            raise InvalidInputError(f"{self._key}: is not the key of {self._certificate}: {reason}") from error

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Differs once a file was replaced or written to."""
        versions: list[tuple[int, int, int] | None] = []
        for path in (self._certificate, self._key, self._client_ca):
            try:
                found = os.stat(path) if path is not None else None
            except OSError:
                found = None
            versions.append(None if found is None else (found.st_ino, found.st_mtime_ns, found.st_size))
        return tuple(versions)


def read_expiry(chain: bytes) -> float:
    """When the first certificate of a PEM chain expires, in seconds since the epoch.

    The standard library does not tell it of a certificate that is not in use yet, so the few fields before it are
    walked through: TBSCertificate of RFC 5280, section 4.1, in DER. Raises ValueError for what is none.
    """
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    _, found, rest = chain.partition(begin)
    body, closed, _ = rest.partition(end)
    if not found or not closed:
        raise ValueError("no PEM")
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
        _, certificate, _ = _split(der, _SEQUENCE)
        _, fields, _ = _split(certificate, _SEQUENCE)
        if fields[0] == _EXPLICIT_0:  # the version, which only the first version of certificates lacks
            _, _, fields = _split(fields, _EXPLICIT_0)
        for tag in (_INTEGER, _SEQUENCE, _SEQUENCE):  # serial number, signature algorithm, issuer
            _, _, fields = _split(fields, tag)
        _, validity, _ = _split(fields, _SEQUENCE)
        _, _, validity = _split(validity, _UTC_TIME, _GENERALIZED_TIME)
        tag, time, _ = _split(validity, _UTC_TIME, _GENERALIZED_TIME)
    except IndexError as error:
        raise ValueError("cut off") from error
    digits = time.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year: 1950 to 2049
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _split(der: bytes, *tags: int) -> tuple[int, bytes, bytes]:
    """The first element, which must have one of the tags: its tag, its content, and what follows it."""
    tag, length, start = der[0], der[1], 2
    if tag not in tags:
        raise ValueError(f"tag {tag:#x}")
    if length & 0x80:  # the length of the length
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if len(der) < start + length:
        raise ValueError("cut off")
    return tag, der[start : start + length], der[start + length :]


def _check_authorities(authorities: bytes, path: Path | None) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=authorities.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise InvalidInputError(f"{path}: holds no certificates in PEM") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"{path}: {error.strerror}") from error
