"""BatchTranslateText: files in, files out, and the operation that tells of it."""

import pytest

pytest.importorskip("google.cloud.translate_v3", reason="needs google-cloud-translate: pip install 'dragoman[google]'")

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
from google.cloud.translate_v3 import types
from google.longrunning import operations_pb2  # type: ignore[import-untyped]

from dragoman.model.errors import NotFoundError
from dragoman.server.access.quotas import CallerAllowance
from dragoman.server.call_context import Priority
from dragoman.server.grpc.google import batch_job, operations
from dragoman.server.grpc.google.batch import BatchTranslator
from dragoman.server.scheduling.worker import ReplicaLostError, Worker
from tests.server.fakes import PATIENCE, AligningTranslator, wait_for
from tests.server.grpc.google.running import PARENT, Google, connected, serve

State = types.BatchTranslateMetadata.State
Test = Callable[[Google], Awaitable[None]]


def request_for(*uris: str, output: str = "out/", **request: Any) -> dict[str, Any]:
    defaults = {
        "parent": PARENT,
        "source_language_code": "en",
        "target_language_codes": ["de"],
        "input_configs": [{"gcs_source": {"input_uri": uri}} for uri in uris],
        "output_config": {"gcs_destination": {"output_uri_prefix": output}},
    }
    return defaults | request


def metadata_of(operation: Any) -> Any:
    metadata = types.BatchTranslateMetadata()
    assert operation.metadata.Unpack(types.BatchTranslateMetadata.pb(metadata))
    return metadata


def response_of(operation: Any) -> Any:
    response = types.BatchTranslateResponse()
    assert operation.response.Unpack(types.BatchTranslateResponse.pb(response)), operation.error
    return response


async def run(google: Google, *uris: str, **request: Any) -> Any:
    return await google.wait(await google.call("BatchTranslateText", **request_for(*uris, **request)))


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_bytes().decode() for path in sorted(folder.iterdir())}


def test_every_kind_of_file_is_translated(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_bytes("one two\r\n\nÜber uns <b>\nno end".encode())
    (tmp_path / "sub/b.tsv").write_bytes(b'7\tone <b>two</b>\n8\t"a ""b"""\n')
    (tmp_path / "sub/c.html").write_bytes(b"<p>one\n two</p><code>x y</code>")

    async def test(google: Google) -> None:
        operation = await run(google, "a.txt", "sub/*")
        assert operation.done
        response = response_of(operation)
        num_characters = len('one twoÜber uns <b>no endone <b>two</b>a "b"') + len("<p>one\n two</p><code>x y</code>")
        assert (response.total_characters, response.translated_characters, response.failed_characters) == (
            num_characters, num_characters, 0)  # fmt: skip
        assert response.submit_time <= response.end_time
        metadata = metadata_of(operation)
        assert (metadata.state, metadata.translated_characters) == (State.SUCCEEDED, num_characters)
        assert metadata.submit_time == response.submit_time

    serve(test, files=tmp_path)
    assert written(tmp_path / "out") == {
        "a_de_translations.txt": "two one\r\n\n<b> uns Über\nend no",
        "index.csv": "a.txt,de,out/a_de_translations.txt,,,\n"
        "sub/b.tsv,de,out/sub_b_de_translations.tsv,,,\n"
        "sub/c.html,de,out/sub_c_de_translations.html,,,\n",
        "sub_b_de_translations.tsv": '7\tone <b>two</b>\t<b>two</b> one\n8\t"a ""b"""\t"""b"" a"\n',
        "sub_c_de_translations.html": "<p>two one</p><code>x y</code>",
    }


def test_outputs_are_named_as_the_caller_names_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two")
    root = tmp_path.as_uri()

    async def test(google: Google) -> None:
        response_of(await run(google, f"{root}/a.txt", output=f"{root}/out/", target_language_codes=["de-DE"]))

    serve(test, files=tmp_path)
    assert written(tmp_path / "out")["index.csv"] == f"{root}/a.txt,de-DE,{root}/out/a_de-DE_translations.txt,,,\n"


def test_rows_and_files_at_fault_are_told_and_the_others_translated(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(f"one two\nrefused\nx\ty\tz\n\n{'long ' * 20}\n5\tlast one\n")
    (tmp_path / "b.txt").write_text("one two\nrefused\nlast one\n")
    (tmp_path / "c.txt").write_bytes(b"one two\n\xff\n")
    (tmp_path / "d.txt").write_text(f"one\n{'long ' * 20}")
    (tmp_path / "e.txt").write_text("")
    (tmp_path / "f.tsv").write_text("refused")

    async def test(google: Google) -> None:
        operation = await run(google, "*")
        response = response_of(operation)
        assert response.translated_characters == 2 * len("one two" + "last one")
        assert response.failed_characters >= 3 * len("refused") + len("long " * 20)

    serve(test, files=tmp_path, max_text_length=50)
    refused = "the engine refuses this text"
    long = "long " * 20
    outputs = written(tmp_path / "out")
    assert outputs.pop("index.csv").splitlines() == [
        "a.tsv,de,out/a_de_translations.tsv,out/a_de_errors.tsv,,",
        "b.txt,de,out/b_de_translations.txt,out/b_de_errors.txt,,",
        "c.txt,de,,out/c_de_errors.txt,,",
        "d.txt,de,,out/d_de_errors.txt,,",
        "e.txt,de,,,,",
        "f.tsv,de,,out/f_de_errors.tsv,,",
    ]
    assert outputs == {
        "a_de_translations.tsv": "0\tone two\ttwo one\n1\trefused\t\n2\t\"x\ty\tz\"\t\n3\t\t\n"
        f"4\t{long}\t\n5\tlast one\tone last\n",
        "a_de_errors.tsv": f"1\trefused\t{refused}\n2\t\"x\ty\tz\"\tthe row has 3 columns, but must have one or two\n"
        f"4\t{long}\thas 100 characters, but at most 50 are allowed\n",
        "b_de_translations.txt": "two one\n\none last\n",
        "b_de_errors.txt": f"1\trefused\t{refused}\n",
        "c_de_errors.txt": "c.txt: is not in UTF-8\n",
        "d_de_errors.txt": "d.txt: line 2 has more than 50 characters\n",
        "f_de_errors.tsv": f"0\trefused\t{refused}\n",
    }  # fmt: skip


def test_a_quotation_mark_without_its_other_half_swallows_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('1\t"one two\n2\tthree\n3\t5" is it"\n4\t"a" b\n5\t"c\nd"\n6\tlast "one\n"7\tx')

    async def test(google: Google) -> None:
        response_of(await run(google, "a.tsv"))

    serve(test, files=tmp_path)
    assert written(tmp_path / "out") == {
        "a_de_translations.tsv": '1\t"""one two"\t"two ""one"\n2\tthree\tthree\n3\t"5"" is it"""\t"it"" is 5"""\n'
        '4\t"""a"" b"\t"b ""a"""\n5\t"c\nd"\td c\n6\t"last ""one"\t"""one last"\n"""7"\tx\tx\n',
        "index.csv": 'a.tsv,de,out/a_de_translations.tsv,,,,"warning: a quotation mark without its other half was '
        'taken as it is in 3 rows, counted from 0: 0, 3, 6"\n',
    }


def test_where_nothing_can_be_translated_the_operation_fails(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("refused")

    async def test(google: Google) -> None:
        operation = await run(google, "a.txt")
        assert operation.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert "errors files" in operation.error.message
        assert metadata_of(operation).state == State.FAILED

    serve(test, files=tmp_path)


def test_many_rows_are_translated_in_windows_behind_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_job, "WINDOW_ROWS", 7)
    monkeypatch.setattr(batch_job, "SLICE_SENTENCES", 5)
    translator = AligningTranslator(num_slots=4)
    priorities = set()
    worker_translate = Worker.translate_when_room

    async def watch(worker: Any, prepared: Any, *, caller: Any, priority: Priority) -> Any:
        assert len(prepared) <= 5
        assert caller.deadline is None
        priorities.add(priority)
        return await worker_translate(worker, prepared, caller=caller, priority=priority)

    monkeypatch.setattr(Worker, "translate_when_room", watch)
    (tmp_path / "a.txt").write_text("".join(f"line {number}\n" for number in range(100)))

    async def test(google: Google) -> None:
        assert response_of(await run(google, "a.txt")).failed_characters == 0

    serve(test, translator, files=tmp_path, max_waiting=10)
    assert written(tmp_path / "out")["a_de_translations.txt"] == "".join(f"{number} line\n" for number in range(100))
    assert priorities == {Priority.BATCH}


def test_a_text_may_have_more_sentences_than_may_wait(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("one two\na 1 | b 2 | c 3 | d 4\n")

    async def test(google: Google) -> None:
        response_of(await run(google, "a.tsv"))

    serve(test, files=tmp_path, max_waiting=3)
    assert (
        written(tmp_path / "out")["a_de_translations.tsv"]
        == "0\tone two\ttwo one\n1\ta 1 | b 2 | c 3 | d 4\t1 a | 2 b | 3 c | 4 d\n"
    )


def test_a_lost_process_is_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker_translate = Worker.translate_when_room
    tries = []

    async def lose_first(worker: Any, prepared: Any, **options: Any) -> Any:
        tries.append(prepared)
        if len(tries) < batch_job.MAX_TRIES:
            raise ReplicaLostError("replica 0 ended")
        return await worker_translate(worker, prepared, **options)

    monkeypatch.setattr(Worker, "translate_when_room", lose_first)
    (tmp_path / "a.txt").write_text("one two")

    async def test(google: Google) -> None:
        response_of(await run(google, "a.txt"))

        async def lose(worker: Any, prepared: Any, **options: Any) -> Any:
            raise ReplicaLostError("replica 0 ended")

        monkeypatch.setattr(Worker, "translate_when_room", lose)
        operation = await run(google, "a.txt", output="other/")
        assert operation.error.code == grpc.StatusCode.UNAVAILABLE.value[0]
        assert written(tmp_path / "other") == {}

    serve(test, files=tmp_path)


def test_a_cancelled_operation_stops_and_keeps_whole_files(tmp_path: Path) -> None:
    translator = AligningTranslator()
    (tmp_path / "a.txt").write_text("one two")
    (tmp_path / "b.txt").write_text("three four\nforever")

    async def test(google: Google) -> None:
        operation = await google.call("BatchTranslateText", **request_for("a.txt", "b.txt"))
        while not (tmp_path / "out/index.csv").exists() or not translator.engine.num_active:
            operation = await google.operations.GetOperation(operations_pb2.GetOperationRequest(name=operation.name))
        assert not operation.done
        assert metadata_of(operation).state == State.RUNNING
        name = operation.name
        short = operations_pb2.WaitOperationRequest(name=name)
        short.timeout.FromMilliseconds(1)
        assert not (await google.operations.WaitOperation(short)).done
        with pytest.raises(grpc.aio.AioRpcError, match="cancel it first"):
            await google.operations.DeleteOperation(operations_pb2.DeleteOperationRequest(name=name))
        await google.operations.CancelOperation(operations_pb2.CancelOperationRequest(name=name))
        operation = await google.wait(operation)
        assert (operation.done, operation.error.code) == (True, grpc.StatusCode.CANCELLED.value[0])
        assert metadata_of(operation).state == State.CANCELLED
        await google.operations.CancelOperation(operations_pb2.CancelOperationRequest(name=name))  # no effect
        await google.operations.DeleteOperation(operations_pb2.DeleteOperationRequest(name=name))
        with pytest.raises(grpc.aio.AioRpcError, match="there is no operation"):
            await google.operations.GetOperation(operations_pb2.GetOperationRequest(name=name))

    serve(test, translator, files=tmp_path)
    assert sorted(written(tmp_path / "out")) == ["a_de_translations.txt", "index.csv"]
    assert translator.engine.num_active == 0


def test_shutdown_cancels_operations(tmp_path: Path) -> None:
    translator = AligningTranslator()
    (tmp_path / "a.txt").write_text("one\nforever")

    async def main() -> None:
        async with connected(translator, files=tmp_path, drain_seconds=1) as google:
            await google.call("BatchTranslateText", **request_for("a.txt"))
            await wait_for(translator.engine.occupied)

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert written(tmp_path / "out") == {}


def test_operations_are_listed_by_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("one two")

    async def listed(google: Google, name: str, **request: Any) -> Any:
        return await google.operations.ListOperations(operations_pb2.ListOperationsRequest(name=name, **request))

    async def test(google: Google) -> None:
        names = []
        for number in range(3):
            parent = f"projects/{'ab'[number > 1]}/locations/l"
            operation = await run(google, "a.txt", output=f"out{number}/", parent=parent)
            names.append(operation.name)
        assert [one.name for one in (await listed(google, "projects/a")).operations] == names[:2]
        assert [one.name for one in (await listed(google, "projects/b/locations/l")).operations] == names[2:]
        page = await listed(google, "projects/a/locations/l/operations", page_size=1)
        assert [one.name for one in page.operations] == names[:1]
        page = await listed(google, "projects/a", page_size=1, page_token=page.next_page_token)
        assert ([one.name for one in page.operations], page.next_page_token) == (names[1:2], "")
        for request, code in (
            ({"page_token": "x"}, "INVALID_ARGUMENT.*page_token"),
            ({"page_token": "9" * 5000}, "INVALID_ARGUMENT.*page_token"),
            ({"page_size": -1}, "INVALID_ARGUMENT.*page_size"),
            ({"filter": "done"}, "UNIMPLEMENTED"),
        ):
            with pytest.raises(grpc.aio.AioRpcError, match=code):
                await listed(google, "projects/a", **request)
        monkeypatch.setattr(operations, "MAX_KEPT", 2)
        await run(google, "a.txt", output="out4/")
        with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
            await google.operations.GetOperation(operations_pb2.GetOperationRequest(name=names[1]))

    serve(test, files=tmp_path)


TOKENS = """
[[tokens]]
name = "alice"
token = "alices"

[[tokens]]
name = "bob"
token = "bobs"
max_concurrent_calls = 1
"""


def test_operations_belong_to_the_token_that_began_them(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("forever")
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(TOKENS)

    async def test(alice: Google) -> None:
        bob = Google(alice.channel, token="bobs")
        operation = await alice.call("BatchTranslateText", **request_for("a.txt"))
        mine = await bob.call("BatchTranslateText", **request_for("a.txt", output="bobs/"))
        for google, name in ((alice, operation.name), (bob, mine.name)):
            found = await google.operate("ListOperations", name="projects/p")
            assert [one.name for one in found.operations] == [name]
        for method in ("GetOperation", "WaitOperation", "CancelOperation", "DeleteOperation"):
            with pytest.raises(grpc.aio.AioRpcError, match="there is no operation"):
                await bob.operate(method, name=operation.name)
        assert not (await alice.operate("GetOperation", name=operation.name)).done
        await alice.operate("CancelOperation", name=operation.name)
        await bob.operate("CancelOperation", name=mine.name)
        await bob.operate("WaitOperation", name=mine.name)

    serve(test, files=tmp_path, tables={"access": {"tokens": str(tokens)}}, token="alices")


def test_one_token_leaves_room_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "MAX_RUNNING_OF_OWNER", 1)
    (tmp_path / "a.txt").write_text("forever")
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(TOKENS)

    async def test(alice: Google) -> None:
        bob = Google(alice.channel, token="bobs")
        running = [await alice.call("BatchTranslateText", **request_for("a.txt"))]
        code, details = await alice.fail("BatchTranslateText", **request_for("a.txt", output="other/"))
        assert (code, details) == ("RESOURCE_EXHAUSTED", "1 of yours are running: try again later")
        running.append(await bob.call("BatchTranslateText", **request_for("a.txt", output="bobs/")))
        for google, operation in zip((alice, bob), running, strict=True):
            await google.operate("CancelOperation", name=operation.name)
            await google.operate("WaitOperation", name=operation.name)

    serve(test, files=tmp_path, tables={"access": {"tokens": str(tokens)}}, token="alices")


def test_an_operation_is_held_to_the_limits_of_its_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "b.txt").write_text("forever")
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(TOKENS)
    charged: list[tuple[str, int]] = []

    def charge(allowance: CallerAllowance, num_characters: int, num_calls: int = 0) -> float:
        charged.append((allowance.client, num_characters))
        return 1e-9 if len(charged) % 2 else 0.0

    async def test(bob: Google) -> None:
        running = await bob.call("BatchTranslateText", **request_for("b.txt"))
        code, details = await bob.fail("BatchTranslateText", **request_for("b.txt", output="other/"))
        assert (code, "client's limit" in details) == ("RESOURCE_EXHAUSTED", True)
        await bob.operate("CancelOperation", name=running.name)
        await bob.operate("WaitOperation", name=running.name)
        monkeypatch.setattr(CallerAllowance, "charge", charge)
        operation = await bob.call("BatchTranslateText", **request_for("a.txt", output="again/"))
        response_of(await bob.operate("WaitOperation", name=operation.name))

    serve(test, files=tmp_path, tables={"access": {"tokens": str(tokens)}}, token="bobs")
    assert charged == [("bob", len("onetwothree"))] * 2


def test_operations_outlive_the_server_where_a_folder_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two")
    (tmp_path / "b.txt").write_text("forever")
    kept = tmp_path / "operations"
    tables = {"server": {"google_operations": str(kept)}}
    names: list[str] = []

    async def first(google: Google) -> None:
        names.append((await run(google, "a.txt")).name)
        names.append((await google.call("BatchTranslateText", **request_for("b.txt", output="b/"))).name)
        await google.operate("CancelOperation", name=names[1])

    async def second(google: Google) -> None:
        found = (await google.operate("ListOperations", name="projects/p")).operations
        assert [one.name for one in found] == names
        assert response_of(found[0]).translated_characters == 7
        assert found[1].error.code == grpc.StatusCode.CANCELLED.value[0]
        names.append((await run(google, "a.txt", output="again/")).name)
        await google.operate("DeleteOperation", name=names.pop(0))

    async def third(google: Google) -> None:
        found = (await google.operate("ListOperations", name="projects/p")).operations
        assert [one.name for one in found] == names

    for test in (first, second, third):
        serve(test, files=tmp_path, tables=tables)


def test_an_operation_that_a_crash_ended_has_failed(tmp_path: Path) -> None:
    class Endless:
        def metadata(self) -> Any:
            return types.BatchTranslateMetadata.pb(types.BatchTranslateMetadata(state=State.RUNNING))

        async def run(self) -> Any:
            await asyncio.Event().wait()

        def cancel(self) -> None: ...
        def close(self) -> None: ...

    async def main() -> None:
        before = operations.Operations(tmp_path)
        name = before.start(PARENT, "alice", Endless()).name
        while not list(tmp_path.glob("*.operation")):
            await asyncio.sleep(0)
        (tmp_path / "nonsense.operation").write_text("{}")
        after = operations.Operations(tmp_path)  # as if the process had ended here
        found = after.get(name, "alice")
        assert (found.done, found.error.code) == (True, grpc.StatusCode.ABORTED.value[0])
        with pytest.raises(NotFoundError):
            after.get(name, "bob")
        await before.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_only_so_many_operations_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "MAX_RUNNING", 1)
    (tmp_path / "a.txt").write_text("forever")

    async def test(google: Google) -> None:
        operation = await google.call("BatchTranslateText", **request_for("a.txt"))
        with pytest.raises(grpc.aio.AioRpcError, match="RESOURCE_EXHAUSTED") as caught:
            await google.call("BatchTranslateText", **request_for("a.txt", output="other/"))
        assert dict(caught.value.trailing_metadata() or ())["grpc-retry-pushback-ms"] == "30000"
        assert not (tmp_path / "other").exists()
        await google.operations.CancelOperation(operations_pb2.CancelOperationRequest(name=operation.name))
        await google.wait(operation)
        (tmp_path / "a.txt").write_text("one two")
        response_of(await run(google, "a.txt"))  # in the folder that is free again

    serve(test, files=tmp_path)


def test_a_folder_is_free_again_when_the_last_place_was_taken_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("one two")
    plan = BatchTranslator.plan

    async def plan_slowly(*arguments: Any) -> Any:
        job = await plan(*arguments)
        monkeypatch.setattr(operations, "MAX_RUNNING", 0)
        return job

    async def test(google: Google) -> None:
        with monkeypatch.context() as slow:
            slow.setattr(BatchTranslator, "plan", plan_slowly)
            with pytest.raises(grpc.aio.AioRpcError, match="RESOURCE_EXHAUSTED"):
                await google.call("BatchTranslateText", **request_for("a.txt"))
        monkeypatch.setattr(operations, "MAX_RUNNING", 1)
        response_of(await run(google, "a.txt"))

    serve(test, files=tmp_path)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"parent": "projects/p"}, "INVALID_ARGUMENT", "parent"),
        ({"source_language_code": ""}, "INVALID_ARGUMENT", "source_language_code: is empty"),
        ({"source_language_code": "xx"}, "INVALID_ARGUMENT", "source_language_code: nothing translates"),
        ({"target_language_codes": []}, "INVALID_ARGUMENT", "target_language_codes"),
        ({"target_language_codes": ["de"] * 2}, "INVALID_ARGUMENT", "twice"),
        ({"target_language_codes": [f"d{n}" for n in range(11)]}, "INVALID_ARGUMENT", "target_language_codes"),
        ({"target_language_codes": ["de-/../../../evil"]}, "INVALID_ARGUMENT", "nothing translates into"),
        ({"models": {"fr": "x"}}, "INVALID_ARGUMENT", 'models: has "fr"'),
        ({"models": {"de": "x"}}, "INVALID_ARGUMENT", 'models["de"]'),
        ({"models": {"de": f"{PARENT}/models/x"}}, "NOT_FOUND", '"x"'),
        ({"glossaries": {"fr": {"glossary": f"{PARENT}/glossaries/x"}}}, "INVALID_ARGUMENT", 'glossaries: has "fr"'),
        ({"glossaries": {"de": {"glossary": "x"}}}, "INVALID_ARGUMENT", 'glossaries["de"].glossary: is "x"'),
        ({"glossaries": {"de": {"glossary": f"{PARENT}/glossaries/x"}}}, "NOT_FOUND", 'no glossary "x"'),
        ({"input_configs": []}, "INVALID_ARGUMENT", "input_configs: is empty"),
        ({"input_configs": [{}] * 101}, "INVALID_ARGUMENT", "input_configs: 101, but at most 100"),
        ({"input_configs": [{"gcs_source": {"input_uri": "gs://a/b"}}]}, "INVALID_ARGUMENT", 'input_configs[0]: "gs://'),
        ({"input_configs": [{"gcs_source": {"input_uri": "none.txt"}}]}, "NOT_FOUND", 'input_configs[0]: "none.txt'),
        ({"input_configs": [{"gcs_source": {"input_uri": "a.txt"}, "mime_type": "text/html"}]}, "INVALID_ARGUMENT",
         "must be text/plain"),
        ({}, "INVALID_ARGUMENT", 'would be "a_b_de_translations.txt"'),
        ({"output_config": {}}, "INVALID_ARGUMENT", "output_uri_prefix: is empty"),
        ({"output_config": {"gcs_destination": {"output_uri_prefix": "./"}}}, "INVALID_ARGUMENT", "must be empty"),
        ({"output_config": {"gcs_destination": {"output_uri_prefix": "/tmp/"}}}, "NOT_FOUND", "is not in the folder"),
        ({"output_config": {"gcs_destination": {"output_uri_prefix": "used/"}}}, "INVALID_ARGUMENT",
         "another operation"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_before_anything_is_written(
    tmp_path: Path, change: dict[str, Any], code: str, words: str
) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a.txt", "a_b.txt", "a/b.txt", "forever.txt"):
        (tmp_path / name).write_text("forever")
    if "would be" in words:
        change = {"input_configs": [{"gcs_source": {"input_uri": uri}} for uri in ("*.txt", "a/*")]}

    async def test(google: Google) -> None:
        running = await google.call("BatchTranslateText", **request_for("forever.txt", output="used/"))
        found, details = await google.fail("BatchTranslateText", **(request_for("a.txt") | change))
        assert (found, words in details) == (code, True), details
        await google.operations.CancelOperation(operations_pb2.CancelOperationRequest(name=running.name))
        await google.wait(running)

    serve(test, files=tmp_path)
    assert not (tmp_path / "out").exists()


def test_all_files_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_job, "MAX_CHARACTERS", 10)
    (tmp_path / "a.txt").write_text("one two")
    (tmp_path / "b.txt").write_text("one two")

    async def test(google: Google) -> None:
        operation = await run(google, "*.txt")
        assert "more than 10 characters" in operation.error.message
        response_of(await run(google, "a.txt", "a.txt"))  # a file that is named twice is one

    serve(test, files=tmp_path)


def test_a_full_disk_ends_the_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("one two")
    monkeypatch.setattr(batch_job, "INDEX_NAME", "none/index.csv")

    async def test(google: Google) -> None:
        operation = await run(google, "a.txt")
        assert operation.error.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
        assert "cannot be written" in operation.error.message

    serve(test, files=tmp_path)


def test_a_second_cancellation_waits_for_the_thread_as_well() -> None:
    began, release = threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        assert release.wait(PATIENCE)

    async def main() -> None:
        job: Any = SimpleNamespace(_disk=None)
        task = asyncio.create_task(batch_job.BatchJob._on_thread(job, hold))
        await wait_for(began)
        for _ in range(2):
            task.cancel()
            for _ in range(3):
                await asyncio.sleep(0)
            assert not task.done()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
