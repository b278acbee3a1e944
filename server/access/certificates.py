"""Certificates for TLS and mutual TLS, read again when their files change."""

import logging
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dragoman.model.errors import InvalidInputError
from dragoman.server.watching import FileWatch

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Certificates:
    """The server's chain and key, and the authorities of clients' certificates, all PEM. authorities: None lets any
    client connect."""

    chain: bytes
    key: bytes
    authorities: bytes | None


class FollowingContext(ssl.SSLContext):
    """A context of OpenSSL's whose new connections follow the files; broken ones change nothing."""

    _files: "CertificateFiles"
    _current: ssl.SSLContext

    @classmethod
    def of(cls, files: "CertificateFiles") -> "FollowingContext":
        """Raises InvalidInputError that names a faulty file."""
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context._files = files
        files.load()
        context._current = files.make_context()
        return context

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """See `ssl.SSLContext`. Event loops call it for every connection."""
        if self._files.load_changed() is not None:
            try:
                self._current = self._files.make_context()
            except (ssl.SSLError, OSError) as error:  # they were replaced again
                logger.error("the old certificate stays in use: %s", error)
        return self._current.wrap_bio(*arguments, **options)


class CertificateFiles:
    """The files of `TlsConfig`, watched for changes."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        client_ca: Path | None,
        on_expiry_known: Callable[[float], None] = lambda expiry: None,
    ) -> None:
        """on_expiry_known: called at each load, on any thread, with the certificate's expiry in seconds since the
        epoch."""
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._on_expiry_known = on_expiry_known
        self._lock = threading.Lock()  # gRPC's threads shake hands at the same time
        self._watch = FileWatch(*(path for path in (certificate, key, client_ca) if path is not None))

    def load(self) -> Certificates:
        """Read and check the files. Raises InvalidInputError that names the faulty file."""
        chain, key = _read(self._certificate), _read(self._key)
        authorities = None if self._client_ca is None else _read(self._client_ca)
        expiry = _read_expiry(self._certificate, chain)
        self._check_pair()
        if authorities is not None:
            _check_authorities(authorities, self._client_ca)
        self._on_expiry_known(expiry)
        return Certificates(chain, key, authorities)

    def load_changed(self) -> Certificates | None:
        """Read the files if one has changed since the last call; otherwise, or if one is broken, return None."""
        with self._lock:
            if not self._watch.has_changed():  # a broken file is logged once
                return None
            try:
                loaded = self.load()
            except InvalidInputError as error:
                logger.error("the old certificate stays in use: %s", error)
                return None
            if self._watch.has_changed():  # a file was replaced meanwhile: the next handshake checks again
                self._watch.forget()
                return None
        logger.warning("%s was reloaded", self._certificate)
        return loaded

    def make_context(self) -> ssl.SSLContext:
        """A server's context with the files as they are. Raises ssl.SSLError or OSError for broken ones."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._certificate, self._key, password="")
        if self._client_ca is not None:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _check_pair(self) -> None:
        """Check by OpenSSL that the key belongs to the certificate; otherwise gRPC would fail every handshake."""
        try:
            # An encrypted key must not make OpenSSL ask for its password on the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._key, password="")
        except (ssl.SSLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or str(error)
            raise InvalidInputError(f"{self._key}: is not the key of {self._certificate}: {reason}") from error


def _read_expiry(path: Path, chain: bytes) -> float:
    """Expiry of the chain's first certificate, in seconds since the epoch."""
    from cryptography.x509 import load_pem_x509_certificates  # the extra `tls`, without which no certificate gets here

    try:
        return load_pem_x509_certificates(chain)[0].not_valid_after_utc.timestamp()
    except ValueError as error:
        raise InvalidInputError(f"{path}: holds no certificate in PEM") from error


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
