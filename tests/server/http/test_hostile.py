"""Hostile requests, a few of those of `hostile`."""

import asyncio
from pathlib import Path

from tests.server.fakes import FakeTranslator
from tests.server.http.calling import http_server
from tests.server.http.hostile import attack


def test_hostile_requests_are_the_callers_fault(tmp_path: Path) -> None:
    with http_server(FakeTranslator(), server={"glossaries": str(tmp_path)}) as server:
        tally = asyncio.run(attack(server.address, 400, 7))
        assert tally.failed == []
        assert tally.statuses[200] > 40
        assert tally.statuses[400] > 100
        answer = server.send("/translate", {"q": "a b", "source": "en", "target": "de"})
        assert answer.json == {"translatedText": "b a"}
