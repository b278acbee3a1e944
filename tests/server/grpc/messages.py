"""Messages of a stream."""

from collections.abc import Iterable

from dragoman.v1 import translation_pb2 as pb


def bring(items: Iterable[pb.TranslateStreamItem]) -> pb.TranslateStreamRequest:
    """A message that brings these texts."""
    return pb.TranslateStreamRequest(items=pb.TranslateStreamItems(items=items))
