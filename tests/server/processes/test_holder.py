"""Who holds a piece of work in a folder."""

import os
from pathlib import Path

from dragoman.server.processes.holder import Holder


def test_a_holder_is_alive_until_it_releases(tmp_path: Path) -> None:
    one, other = Holder(), Holder()
    one.hold(tmp_path)
    assert other.is_alive(tmp_path, one.name)
    assert other.is_alive(tmp_path, other.name)
    assert not other.is_alive(tmp_path, "")
    assert not other.is_alive(tmp_path, "../x")
    one.release(tmp_path)
    one.release(tmp_path)
    assert not other.is_alive(tmp_path, one.name)


def test_a_process_that_ended_is_not_alive(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        holder = Holder()
        holder.hold(tmp_path)
        os.write(writing, holder.name.encode())
        os._exit(0)  # without releasing
    os.waitpid(pid, 0)
    name = os.read(reading, 100).decode()
    for end in (reading, writing):
        os.close(end)
    assert list(tmp_path.iterdir())
    assert not Holder().is_alive(tmp_path, name)
    assert not list(tmp_path.iterdir())
