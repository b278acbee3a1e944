"""A server follows its configuration's file and its bundles; every look is called by hand."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.server.catalogue.catalogue import Catalogue
from dragoman.server.catalogue.upkeep import Upkeep
from dragoman.server.config import ModelConfig, ServerConfig, load_server_config
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.watching import BundleState
from tests.server.fakes import PATIENCE, FakeTranslator
from tests.server.running import trust


class House:
    """A configuration file, and bundles whose files are in a state that a test sets."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.states: dict[str, int] = {}
        self.broken: set[str] = set()
        self.loaded: list[tuple[str, int]] = []
        self.write("small")

    def write(self, *bundles: str, server: str = "", rest: str = "") -> None:
        tables = "".join(f'[[models]]\nbundle = "{self.path.parent}/{bundle}"\n' for bundle in bundles)
        aside = self.path.with_name("aside")
        aside.write_text(f"[server]\n{server}\n{rest}\n{tables}")
        aside.replace(self.path)

    def read(self) -> ServerConfig:
        return load_server_config(self.path)

    def load(self, model: ModelConfig) -> ServedTranslator:
        name = Path(model.bundle).name
        if name in self.broken:
            raise InvalidInputError(f"{name}: damaged")
        self.loaded.append((name, self.states.get(name, 0)))
        return FakeTranslator(name)

    def state_of(self, bundle: str) -> BundleState:
        return BundleState(f"{bundle}/{self.states.get(Path(bundle).name, 0)}", ())

    def open(self) -> tuple[Catalogue, Upkeep]:
        catalogue = Catalogue(load=self.load, try_out=trust, state_of=self.state_of)
        return catalogue, Upkeep(catalogue, self.read(), path=self.path, reread=self.read, state_of=self.state_of)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "server.toml")


def run(house: House, main: Callable[[Catalogue, Upkeep], Awaitable[None]]) -> None:
    async def bounded() -> None:
        catalogue, upkeep = house.open()
        await upkeep.load()
        await asyncio.wait_for(main(catalogue, upkeep), PATIENCE)
        await upkeep.stop()
        await catalogue.close()

    asyncio.run(bounded())


def test_nothing_changes_where_nothing_has_changed(house: House) -> None:
    async def main(catalogue: Catalogue, upkeep: Upkeep) -> None:
        workers = catalogue.workers()
        for _ in range(3):
            await upkeep.look()
        assert catalogue.workers() == workers

    run(house, main)
    assert house.loaded == [("small", 0)]


def test_a_changed_bundle_is_loaded_once_it_has_come_to_rest(house: House) -> None:
    async def main(catalogue: Catalogue, upkeep: Upkeep) -> None:
        for state in (1, 2, 3):  # it is still being copied
            house.states["small"] = state
            await upkeep.look()
            assert house.loaded == [("small", 0)]
        await upkeep.look()
        assert house.loaded == [("small", 0), ("small", 3)]

    run(house, main)


def test_who_asks_need_not_wait(house: House) -> None:
    async def main(catalogue: Catalogue, upkeep: Upkeep) -> None:
        house.states["small"] = 1
        house.write("small", "large")
        await upkeep.look(at_once=True)

    run(house, main)
    assert house.loaded == [("small", 0), ("small", 1), ("large", 0)]


def test_models_are_added_and_removed(house: House) -> None:
    async def main(catalogue: Catalogue, upkeep: Upkeep) -> None:
        house.write("small", "large")
        await upkeep.look()
        assert list(catalogue.works()) == ["small"]
        await upkeep.look()
        assert list(catalogue.works()) == ["small", "large"]
        house.write("large")
        await upkeep.look()
        await upkeep.look()
        assert list(catalogue.works()) == ["large"]

    run(house, main)


def test_a_mistake_in_the_file_changes_nothing_and_is_told_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    async def main(catalogue: Catalogue, upkeep: Upkeep) -> None:
        house.write("large", server="port = 1")
        for _ in range(4):
            await upkeep.look()
        assert list(catalogue.works()) == ["small"]
        house.path.unlink()
        for _ in range(4):
            await upkeep.look()
        assert list(catalogue.works()) == ["small"]
        house.write("large")
        for _ in range(2):
            await upkeep.look()
        assert list(catalogue.works()) == ["large"]

    with caplog.at_level(logging.ERROR, "dragoman.server.catalogue.upkeep"):
        run(house, main)
    unknown, missing = (record.getMessage() for record in caplog.records)
    assert unknown.startswith("the old configuration stays: ")
    assert unknown.endswith("server.port: unknown key")
    assert missing.endswith("no such file")


def test_what_needs_a_restart_is_told(house: House, caplog: pytest.LogCaptureFixture) -> None:
    async def main(catalogue: Catalogue, upkeep: Upkeep) -> None:
        house.write(
            "small",
            server='listen = "127.0.0.1:1"\ndrain_seconds = 5\nmax_slots = 2',
            rest='[tls]\ncertificate = "a"\nkey = "b"',
        )
        await upkeep.look(at_once=True)
        assert upkeep.config.server.drain_seconds == 5
        house.write("small", server="max_slots = 2")  # as it was at the start
        await upkeep.look(at_once=True)
        assert upkeep.config.tls.certificate is None

    with caplog.at_level(logging.WARNING, "dragoman.server.catalogue.upkeep"):
        run(house, main)
    (record,) = caplog.records
    assert record.getMessage() == ("these changes take effect after a restart: server.listen, tls.certificate, tls.key")
    assert len(house.loaded) == 2  # anew, with other slots


def test_a_model_that_cannot_be_loaded_at_first_is_an_error(house: House) -> None:
    async def main() -> None:
        house.broken.add("small")
        catalogue, upkeep = house.open()
        with pytest.raises(InvalidInputError, match="small: damaged"):
            await upkeep.load()
        await catalogue.close()

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_it_looks_when_it_is_asked(house: House) -> None:
    house.write("small", server="reload_seconds = 0")

    async def main(catalogue: Catalogue, upkeep: Upkeep) -> None:
        upkeep.start()
        house.states["small"] = 1
        upkeep.ask()
        await until(lambda: ("small", 1) in house.loaded)

    run(house, main)


def test_it_looks_again_and_again(house: House) -> None:
    house.write("small", server="reload_seconds = 0.001")

    async def main(catalogue: Catalogue, upkeep: Upkeep) -> None:
        upkeep.start()
        house.states["small"] = 1
        await until(lambda: ("small", 1) in house.loaded)

    run(house, main)


def test_a_look_that_fails_is_not_the_last(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.server.catalogue.upkeep.FIRST_PAUSE", 0.0)
    house.write("small", server="reload_seconds = 0.001")

    async def main(catalogue: Catalogue, upkeep: Upkeep) -> None:
        apply, failed = catalogue.apply, asyncio.Event()

        async def fail(*_: object, **__: object) -> None:
            failed.set()
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(catalogue, "apply", fail)
        upkeep.start()
        await failed.wait()
        monkeypatch.setattr(catalogue, "apply", apply)
        house.states["small"] = 1
        await until(lambda: ("small", 1) in house.loaded)

    with caplog.at_level(logging.ERROR, "dragoman.server.catalogue.upkeep"):
        run(house, main)
    assert "a bug" in caplog.text
