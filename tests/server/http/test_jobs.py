"""The table of documents that the processes of a server share."""

import asyncio
import sqlite3
from pathlib import Path
from typing import cast

from dragoman.server.http.jobs import Jobs
from dragoman.server.translating.translating import Translating


def test_a_process_waits_while_another_one_opens_the_table(tmp_path: Path) -> None:
    """SQLite refuses at once to begin a write-ahead log while another connection holds the file."""

    async def run() -> None:
        other = sqlite3.connect(tmp_path / "documents.sqlite")
        other.execute("CREATE TABLE other (x)")
        other.execute("BEGIN EXCLUSIVE")
        jobs = Jobs(tmp_path, cast("Translating", None), 60)
        opening = asyncio.create_task(jobs.open())
        for _ in range(100):
            await asyncio.sleep(0)
        other.rollback()
        other.close()
        await opening
        await jobs.close()

    asyncio.run(run())
