"""An engine process that fails: `python -m tests.model.decoding.engines.replicas.failing_process DESCRIPTOR` decodes as
any other does, but not when it has a sentence of FATAL_LENGTH pieces."""

import sys
from multiprocessing.connection import Connection

from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.engines.replicas.child import load_engine, serve
from dragoman.model.decoding.engines.replicas.messages import ReplicaSetup
from dragoman.model.decoding.request import Event

FATAL_LENGTH = 13


def load_failing_engine(setup: ReplicaSetup) -> Engine | Fleet:
    engine = load_engine(setup)
    assert isinstance(engine, Engine)
    step = engine.step

    def fail_where_told() -> list[Event]:
        if any(len(request.source_ids) == FATAL_LENGTH for request in engine._requests.values()):
            raise MemoryError("no room\nfor more")
        return step()

    engine.step = fail_where_told  # type: ignore[method-assign]
    return engine


if __name__ == "__main__":
    sys.exit(serve(Connection(int(sys.argv[1])), load_failing_engine))
