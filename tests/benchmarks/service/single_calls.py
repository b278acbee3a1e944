"""One blocking call after the other."""

import time

import grpc

from dragoman.v1 import translation_pb2, translation_pb2_grpc


class SingleCalls:
    """A connection to a server."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        self._stub = translation_pb2_grpc.TranslationServiceStub(self._channel)

    def latency(self, text: str, to: str) -> float:
        """Seconds from the text to its translation's text."""
        started = time.perf_counter()
        request = translation_pb2.TranslateRequest(texts=[text], target_language_code=to)
        response = self._stub.Translate(request, timeout=60)
        assert response.translations[0].hypotheses[0].text
        return time.perf_counter() - started
