"""`dragoman serve --check`: check whether a server could start with its configuration."""

from collections.abc import Iterator
from pathlib import Path

from dragoman.model.bundle import BundleConfig, find_bundle, read_config, read_vocabulary
from dragoman.model.config_files import find_repeated
from dragoman.model.decoding.loading import load_decoder
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.shortlist import read_shortlist
from dragoman.model.weights import read_weights
from dragoman.server.access.certificates import CertificateFiles
from dragoman.server.access.exposure import warnings_of
from dragoman.server.access.tokens import TokenFile
from dragoman.server.config import ModelConfig, ServerConfig
from dragoman.server.translating.approved import read_approved


def check_server(config: ServerConfig) -> list[str]:
    """A summary for the operator, by lines: address, access, services, models and warnings.

    Reads all files that a server would, including the weights, but binds no port: the server may be running. Raises
    DragomanError that names the fault.
    """
    listening = list(_describe_listening(config))  # the small files first
    models = [_read_model(model) for model in config.served_models]
    repeated = find_repeated(name for name, _, _ in models)
    if repeated is not None:
        raise InvalidInputError(f'two models are called "{repeated}"; every served model needs a name of its own')
    return [
        *listening,
        *(_describe_model(*model) for model in models),
        *warnings_of(config.server.listen, config.tls, config.access),
    ]


def _describe_listening(config: ServerConfig) -> Iterator[str]:
    if config.tls.certificate is not None and config.tls.key is not None:
        CertificateFiles(config.tls.certificate, config.tls.key, config.tls.client_ca).load()
    encrypted = "with TLS" if config.tls.certificate is not None else "without TLS"
    if config.access.tokens is not None:
        TokenFile(config.access.tokens)
        whom = f"callers with a token from {config.access.tokens}"
    else:
        whom = "everybody"
    if config.tls.client_ca is not None:
        whom += " with a certificate"
    yield f"listens on {config.server.listen}, {encrypted}, for {whom}"
    read_approved(config.memory.approved)
    folder = config.server.google_files
    if folder is not None and not folder.is_dir():
        raise NotFoundError(f"server.google_files: {folder}: there is no such folder")
    offers = {
        "Google's Translation v3": config.server.google,
        "reflection": config.server.reflection,
        "channelz": config.server.channelz,
    }
    yield f"offers {', '.join(['translation', 'health', *(name for name, offered in offers.items() if offered)])}"
    if config.server.google and folder is None:
        yield "refuses BatchTranslateText: server.google_files names no folder"
    if config.metrics.listen is not None:
        yield f"serves metrics on http://{config.metrics.listen}/metrics"
    if config.traces.endpoint is not None:
        yield f"sends its traces to {config.traces.endpoint}"


def _read_model(model: ModelConfig) -> tuple[str, BundleConfig, Path]:
    folder = find_bundle(model.bundle)
    info = read_config(folder)
    read_vocabulary(folder, info)
    if model.device == "cpu":
        read_weights(folder, info)
    else:  # only torch knows whether the device exists and supports the precision
        load_decoder(folder, info, precision=model.precision, device=model.device, max_slots=1)
    if model.shortlist:
        read_shortlist(folder, info)
    return model.name or info.name, info, folder


def _describe_model(name: str, info: BundleConfig, folder: Path) -> str:
    directions = ", ".join(map(str, info.directions))
    return f"serves {name}: {directions}, {info.num_parameters / 1e6:.1f} M parameters, from {folder}"
