"""The door, over real connections: who gets in, what they are told, and what is known of each call afterwards."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from dragoman.server.access.admission import make_admission
from dragoman.server.access.quotas import Quotas
from dragoman.server.access.tokens import TokenFile
from dragoman.server.call_context import Priority
from dragoman.server.config import AccessConfig, LimitsConfig
from dragoman.server.grpc import interceptors
from dragoman.server.grpc.interceptors import is_past
from dragoman.v1 import translation_pb2 as pb
from tests.server.fakes import PATIENCE
from tests.server.grpc.messages import bring
from tests.server.grpc.serving import COLLECT, SERVICE, WRITE, bearer, read_log, refused, run, serving, write_tokens

Code = grpc.StatusCode

TOKENS = """
[[tokens]]
name = "alice"
token = "alices-token"

[[tokens]]
name = "bob"
token = "bobs-token"
max_concurrent_calls = 1
characters_per_minute = 60
max_priority = "batch"
"""


class FakeClock:
    """Time passes when someone sleeps, or a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    path = tmp_path / "tokens.toml"
    path.write_text(TOKENS)
    return TokenFile(path)


def ask(*texts: str) -> pb.TranslateRequest:
    return pb.TranslateRequest(texts=texts, target_language_code="de")


def metadata_of(found: Any) -> dict[str, str]:
    """Of an error, or as a call gives it."""
    if isinstance(found, grpc.aio.AioRpcError):
        found = found.trailing_metadata()
    return {str(key): str(value) for key, value in found}


async def items(*texts: str) -> AsyncIterator[pb.TranslateStreamRequest]:
    yield pb.TranslateStreamRequest(config=pb.TranslateStreamConfig(target_language_code="de"))
    for number, text in enumerate(texts):
        yield bring([pb.TranslateStreamItem(id=number, text=text)])


async def read_all(call: Any) -> None:
    """Reads what a stream brings; how it ended is for the caller to ask."""
    if hasattr(call, "__aiter__"):
        with suppress(grpc.aio.AioRpcError):
            async for _ in call:
                pass


# Who gets in.


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        bearer("carols-token"),
        bearer(""),
        (("authorization", "Basic alices-token"),),
        (("authorization", "alices-token"),),
        (*bearer("alices-token"), *bearer("bobs-token")),
        (*bearer("alices-token"), *bearer("alices-token"), *bearer("alices-token")),
    ],
    ids=["none", "unknown", "empty", "another-scheme", "no-scheme", "two", "three"],
)
def test_without_a_known_token_nothing_but_health_is_answered(
    tokens: TokenFile, metadata: tuple[tuple[str, str], ...]
) -> None:
    async def test() -> None:
        async with serving(tokens=tokens) as at:
            # Streams are opened without sending: gRPC's client fails itself if it is refused while it sends.
            options: Any = {"metadata": metadata, "timeout": PATIENCE}
            reflect: Any = reflection_pb2_grpc.ServerReflectionStub(at.channel)
            calls = [
                at.stub.Translate(ask("a"), **options),
                at.stub.Score(pb.ScoreRequest(), **options),
                at.stub.TranslateLive(pb.TranslateLiveRequest(text="a"), **options),
                at.stub.TranslateStream(**options),
                reflect.ServerReflectionInfo(**options),
                at.channel.unary_unary("/no.Such/Method")(b"", **options),
                at.channel.stream_unary(COLLECT)(**options),
            ]
            for call in calls:
                assert await call.code() is Code.UNAUTHENTICATED
                assert "a known token is required" in (await call.details())
            assert at.service.callers == []
            assert await at.check_health() == 1

    run(test())


def test_a_token_says_who_calls_and_what_is_allowed(tokens: TokenFile) -> None:
    async def test() -> None:
        async with serving(tokens=tokens) as at:
            before = time.monotonic()
            await at.stub.Translate(ask("a"), metadata=bearer("alices-token"), timeout=PATIENCE)
            lower_case = (("authorization", "bearer bobs-token"), ("x-request-id", "number 1"))
            await at.stub.Translate(ask("a"), metadata=lower_case)
            alice, bob = at.service.callers
            assert (alice.client, alice.max_priority) == ("alice", Priority.INTERACTIVE)
            assert alice.deadline is not None
            assert before < alice.deadline <= time.monotonic() + 1.01 * PATIENCE
            assert (bob.client, bob.max_priority, bob.deadline) == ("bob", Priority.BATCH, None)
            assert bob.request_id == "number 1"

    run(test())


def test_without_a_file_everybody_gets_in_under_the_connections_address() -> None:
    async def test() -> None:
        async with serving() as at:
            await at.stub.Translate(ask("a"), metadata=bearer("whatever"))
            (caller,) = at.service.callers
            assert caller.client.startswith("ipv4:127.0.0.1:")

    run(test())


def test_the_caller_is_known_in_every_kind_of_method(tokens: TokenFile) -> None:
    async def test() -> None:
        async with serving(tokens=tokens) as at:
            metadata = bearer("alices-token")
            live = at.stub.TranslateLive(pb.TranslateLiveRequest(text="a b"), metadata=metadata)
            assert [answer.stable_text async for answer in live] == ["a b", "a b"]
            stream = at.stub.TranslateStream(items("a", "b"), metadata=metadata)
            assert [[result.id for result in answer.results] async for answer in stream] == [[], [0], [1]]
            assert [caller.client for caller in at.service.callers] == ["alice"] * 3
            assert await at.channel.stream_unary(COLLECT)(iter([b"a", b"b"]), metadata=metadata) == b"a,b"
            written = at.channel.stream_stream(WRITE)(iter([b"a", b"b"]), metadata=metadata)
            assert [answer async for answer in written] == [b"a", b"b"]
            found = [await at.next_ended() for _ in range(4)]
            assert [(call.method, call.client, call.model, code) for call, code, _ in found] == [
                (f"{SERVICE}/TranslateLive", "alice", "live", "OK"),
                (f"{SERVICE}/TranslateStream", "alice", "", "OK"),
                ("test.Collecting/Collect", "alice", "", "OK"),
                ("test.Collecting/Write", "alice", "", "OK"),
            ]
            assert [(call.num_texts, call.num_characters) for call, _, _ in found] == [(1, 3), (2, 2), (0, 0), (0, 0)]

    run(test())


def test_a_rotated_token_counts_at_once_and_a_broken_file_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(TOKENS)
    clock = FakeClock()

    async def test() -> None:
        async with serving(tokens=TokenFile(path, clock=clock)) as at:

            async def code_of(token: str) -> grpc.StatusCode:
                try:
                    await at.stub.Translate(ask("a"), metadata=bearer(token), timeout=PATIENCE)
                except grpc.aio.AioRpcError as error:
                    return error.code()
                return Code.OK

            assert await code_of("alices-token") is Code.OK
            write_tokens(path, TOKENS.replace("alices-token", "alices-next"))
            assert await code_of("alices-next") is Code.UNAUTHENTICATED  # not looked at again yet
            clock.now += 1
            assert [await code_of("alices-next"), await code_of("alices-token")] == [Code.OK, Code.UNAUTHENTICATED]
            write_tokens(path, "tokens = 3")
            clock.now += 1
            assert await code_of("alices-next") is Code.OK
            path.unlink()
            clock.now += 1
            assert await code_of("alices-next") is Code.OK

    run(test())
    assert [record.getMessage() for record in caplog.records if record.name == "dragoman.server.access.tokens"] == [
        f"{path} was reloaded: 2 tokens",
        f"the old tokens stay valid: {path}: tokens: should be a list, in square brackets",
        f"the old tokens stay valid: {path}: no such file",
    ]


# How much they get.


def test_calls_of_a_token_are_limited_and_the_next_is_told_when_to_try_again(tokens: TokenFile) -> None:
    async def test() -> None:
        async with serving(tokens=tokens) as at:
            metadata = bearer("bobs-token")
            first = at.stub.Translate(ask("wait"), metadata=metadata, timeout=PATIENCE)
            await asyncio.wait_for(at.service.running.wait(), PATIENCE)
            error = await refused(at.stub.Translate(ask("a"), metadata=metadata, timeout=PATIENCE))
            assert error.code() is Code.RESOURCE_EXHAUSTED
            assert error.details() == "this client's limit of 1 concurrent calls is reached: try again later"
            assert metadata_of(error)["grpc-retry-pushback-ms"] == "500"
            await at.stub.Translate(ask("a"), metadata=bearer("alices-token"), timeout=PATIENCE)
            at.service.release.set()
            await first
            await at.stub.Translate(ask("a"), metadata=metadata, timeout=PATIENCE)

    run(test())


def test_calls_of_all_are_limited_but_health_is_not(tokens: TokenFile) -> None:
    async def test() -> None:
        async with serving(tokens=tokens, quotas=Quotas(1, 10)) as at:
            first = at.stub.Translate(ask("wait"), metadata=bearer("alices-token"), timeout=PATIENCE)
            await asyncio.wait_for(at.service.running.wait(), PATIENCE)
            refused_stream = at.stub.TranslateStream(metadata=bearer("bobs-token"))
            assert await refused_stream.code() is Code.RESOURCE_EXHAUSTED
            assert (
                await refused_stream.details() == "the server's limit of 1 concurrent calls is reached: try again later"
            )
            assert "grpc-retry-pushback-ms" in metadata_of(await refused_stream.trailing_metadata())
            assert await at.check_health() == 1
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            _, code, _ = await at.next_ended()
            while code != "CANCELLED":
                _, code, _ = await at.next_ended()
            await at.stub.Translate(ask("a"), metadata=bearer("bobs-token"), timeout=PATIENCE)

    run(test())


def test_characters_are_limited_by_the_minute(tmp_path: Path, tokens: TokenFile) -> None:
    clock = FakeClock()

    async def test() -> None:
        async with serving(tokens=tokens, quotas=Quotas(10, 10, clock=clock)) as at:
            metadata = bearer("bobs-token")
            await at.stub.Translate(ask("a" * 40, "ü" * 40), metadata=metadata, timeout=PATIENCE)  # 20 too many
            error = await refused(at.stub.Translate(ask("a"), metadata=metadata, timeout=PATIENCE))
            assert error.code() is Code.RESOURCE_EXHAUSTED
            assert error.details() == "the limit of 60 characters per minute is used up: try again later"
            assert metadata_of(error)["grpc-retry-pushback-ms"] == "21000"
            assert len(at.service.callers) == 2
            clock.now += 21
            await at.stub.Translate(ask("a"), metadata=metadata, timeout=PATIENCE)
            await at.stub.Translate(ask("a" * 1000), metadata=bearer("alices-token"), timeout=PATIENCE)

    run(test())


def test_a_stream_that_is_too_fast_is_slowed_down(tokens: TokenFile) -> None:
    clock = FakeClock()

    async def test() -> None:
        async with serving(tokens=tokens, quotas=Quotas(10, 10, clock=clock), sleep=clock.sleep) as at:
            texts = ["a" * 60, "b" * 30, "c" * 30, "d"]
            stream = at.stub.TranslateStream(items(*texts), metadata=bearer("bobs-token"), timeout=PATIENCE)
            assert [[result.id for result in answer.results] async for answer in stream] == [[], [0], [1], [2], [3]]

    run(test())
    assert clock.sleeps == [1.0, 30.0, 30.0]


# What does not fit.


def test_bytes_that_are_no_message_are_the_callers_fault() -> None:
    async def test() -> None:
        async with serving() as at:
            for make_call in (
                at.channel.unary_unary(f"/{SERVICE}/Translate"),
                at.channel.unary_stream(f"/{SERVICE}/TranslateLive"),
                lambda raw: at.channel.stream_stream(f"/{SERVICE}/TranslateStream")(iter([raw])),
            ):
                call: Any = make_call(b"\xff\xff\xff")
                await read_all(call)
                assert await call.code() is Code.INVALID_ARGUMENT
                assert "is not a message of the method's type" in await call.details()
                _, code, _ = await at.next_ended()
                assert code == "INVALID_ARGUMENT"
            error = await refused(at.channel.stream_unary(f"/{SERVICE}/Translate")(iter([])))
            assert (error.code(), error.details()) == (Code.INVALID_ARGUMENT, "the call brought no message")

    run(test())


def test_methods_that_do_not_exist_are_counted_under_one_name() -> None:
    async def test() -> None:
        async with serving() as at:
            for method in ("/no.Such/Method", f"/{SERVICE}/Score", f"/{SERVICE}/Other"):
                error = await refused(at.channel.unary_unary(method)(b"", timeout=PATIENCE))
                assert (error.code(), error.details()) == (Code.UNIMPLEMENTED, "there is no such method")
                call, code, _ = await at.next_ended()
                assert (call.method, code) == ("unknown", "UNIMPLEMENTED")

    run(test())


def test_a_message_that_is_too_large_reaches_nobody() -> None:
    async def test() -> None:
        async with serving(limits=LimitsConfig(max_message_bytes=2048)) as at:
            error = await refused(at.stub.Translate(ask("a" * 3000), timeout=PATIENCE))
            assert error.code() is Code.RESOURCE_EXHAUSTED
            assert at.service.callers == []
            call, code, _ = await at.next_ended()
            assert (call.num_texts, code) == (0, "CANCELLED")  # gRPC ended it before it could be read

    run(test())


def test_a_call_is_refused_before_its_message_is_read(tokens: TokenFile) -> None:
    async def test() -> None:
        async with serving(tokens=tokens) as at:
            error = await refused(at.stub.Translate(ask("a" * 10_000_000), timeout=PATIENCE))
            assert error.code() is Code.UNAUTHENTICATED
            call, _, _ = await at.next_ended()
            assert call.num_characters == 0

    run(test())


# What is known of a call.


def test_a_bug_tells_the_caller_nothing_and_the_log_everything() -> None:
    log = io.StringIO()

    async def test() -> None:
        async with serving(stream=log) as at:
            for call in (
                at.stub.Translate(ask("crash")),
                at.stub.TranslateLive(pb.TranslateLiveRequest(text="crash")),
                at.stub.TranslateStream(items("crash")),
            ):
                await read_all(call)
                assert await call.code() is Code.INTERNAL
                assert await call.details() == "the server failed; its log has the reason"

    run(test())
    lines = read_log(log)
    faults = [line for line in lines if "exception" in line]
    names = ("Translate", "TranslateLive", "TranslateStream")
    assert {fault["message"] for fault in faults} == {f"{SERVICE}/{name} failed" for name in names}
    assert all("ZeroDivisionError: secret" in fault["exception"] for fault in faults)
    assert {line["level"] for line in lines if line.get("code") == "INTERNAL"} == {"error"}


def test_calls_that_are_given_up_end_with_their_true_code() -> None:
    async def test() -> None:
        async with serving(quotas=Quotas(1, 1)) as at:
            calls: tuple[Callable[..., Any], ...] = (
                lambda **options: at.stub.Translate(ask("wait"), **options),
                lambda **options: at.stub.TranslateLive(pb.TranslateLiveRequest(text="wait"), **options),
                lambda **options: at.stub.TranslateStream(items("wait"), **options),
            )
            for make_call in calls:
                call = make_call()
                await asyncio.wait_for(at.service.running.wait(), PATIENCE)
                at.service.running.clear()
                call.cancel()
                _, code, _ = await at.next_ended()
                assert code == "CANCELLED"
                call = make_call(timeout=0.1)
                assert await call.code() is Code.DEADLINE_EXCEEDED
                _, code, _ = await at.next_ended()
                assert code == "DEADLINE_EXCEEDED"
                at.service.running.clear()
            await at.stub.Translate(ask("a"))  # there is room again

    run(test())


def test_a_deadline_counts_as_past_as_soon_as_a_client_may_think_so() -> None:
    now = time.monotonic()
    assert is_past(now - 1, 10.0)
    assert is_past(now + 0.5, 100.0)
    assert not is_past(now + 50, 100.0)
    assert not is_past(None, None)


def test_a_request_id_comes_back_with_the_status() -> None:
    async def test() -> None:
        async with serving() as at:
            metadata = (("x-request-id", "mine"),)
            call = at.stub.Translate(ask("a"), metadata=metadata)
            await call
            assert metadata_of(await call.trailing_metadata())["x-request-id"] == "mine"
            streams: tuple[Any, ...] = (
                at.stub.TranslateLive(pb.TranslateLiveRequest(text="a"), metadata=metadata),
                at.stub.TranslateStream(items("a"), metadata=metadata),
                at.channel.stream_stream(WRITE)(iter([b"a"]), metadata=metadata),
            )
            for call in streams:
                assert [answer async for answer in call]
                assert metadata_of(await call.trailing_metadata())["x-request-id"] == "mine"
            assert {(await at.next_ended())[0].request_id for _ in range(4)} == {"mine"}
            assert {caller.request_id for caller in at.service.callers} == {"mine"}

    run(test())


@pytest.mark.parametrize("given", [None, "", "a" * 129], ids=["none", "empty", "long"])
def test_without_a_sane_request_id_one_is_made_up(given: str | None) -> None:
    async def test() -> None:
        async with serving() as at:
            metadata = () if given is None else (("x-request-id", given),)
            seen = []
            for _ in range(2):
                call = at.stub.Translate(ask("a"), metadata=metadata)
                await call
                seen.append(metadata_of(await call.trailing_metadata())["x-request-id"])
                assert (await at.next_ended())[0].request_id == seen[-1]
            assert {len(request_id) for request_id in seen} == {16}
            assert seen[0] != seen[1]

    run(test())


def test_a_refusal_and_a_failure_tell_the_request_id_too(tokens: TokenFile) -> None:
    async def test() -> None:
        async with serving(tokens=tokens, quotas=Quotas(0, 0)) as at:
            metadata = (("x-request-id", "mine"),)
            unknown = await refused(at.stub.Translate(ask("a"), metadata=metadata))
            busy = await refused(at.stub.Translate(ask("a"), metadata=(*metadata, *bearer("alices-token"))))
            assert metadata_of(unknown)["x-request-id"] == "mine"
            assert metadata_of(busy)["x-request-id"] == "mine"

    run(test())


def test_a_call_that_failed_before_its_answer_can_be_retried() -> None:
    # gRFC A6: a client whose answer's head has come does not retry, whatever the status.
    policy = {"maxAttempts": 2, "initialBackoff": "0.01s", "maxBackoff": "0.01s", "backoffMultiplier": 1}
    policy |= {"retryableStatusCodes": ["UNAVAILABLE"]}
    config = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})

    async def test() -> None:
        async with serving(channel_options=(("grpc.service_config", config),)) as at:
            metadata = (("x-request-id", "mine"),)
            answer = await at.stub.Translate(ask("unavailable"), metadata=metadata, timeout=PATIENCE)
            assert answer.translations[0].hypotheses[0].text == "unavailable"
            at.service.num_refused = 0
            live = at.stub.TranslateLive(pb.TranslateLiveRequest(text="unavailable"), metadata=metadata)
            assert [part.stable_text async for part in live] == ["unavailable"] * 2
            codes = [(await at.next_ended())[1:] for _ in range(4)]
            assert codes == [("UNAVAILABLE", "not yet"), ("OK", "")] * 2

    run(test())


def test_admission_follows_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(TOKENS)
    for access in (AccessConfig(), AccessConfig(tokens=path)):
        assert make_admission(access, LimitsConfig()).needs_token == (access.tokens is not None)


def test_a_question_for_health_that_never_comes_is_not_waited_for(
    tokens: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with serving(tokens=tokens) as at:
            monkeypatch.setattr(interceptors, "HEALTH_SECONDS", 0.01)
            check = at.channel.stream_unary("/grpc.health.v1.Health/Check")()
            assert await check.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            monkeypatch.setattr(interceptors, "HEALTH_SECONDS", PATIENCE)
            assert await at.check_health() == 1

    run(test())


def test_watches_of_health_are_counted_and_limited(tokens: TokenFile) -> None:
    def watch(channel: Any) -> Any:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        return stub.Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE)

    async def test() -> None:
        limits = LimitsConfig(max_health_watches=8)
        async with (
            serving(tokens=tokens, limits=limits) as at,
            grpc.aio.insecure_channel(at.address, options=(("grpc.use_local_subchannel_pool", 1),)) as other,
        ):
            running = [watch(at.channel) for _ in range(2)]
            for call in running:
                assert (await call.read()).status == health_pb2.HealthCheckResponse.SERVING
            error = await refused(watch(at.channel).read())
            assert error.code() is Code.RESOURCE_EXHAUSTED
            assert "grpc-retry-pushback-ms" in metadata_of(error.trailing_metadata())
            assert (await watch(other).read()).status == health_pb2.HealthCheckResponse.SERVING
            assert await at.check_health() == 1
            running[0].cancel()
            await at.next_ended()
            while True:  # until the server knows that it was cancelled
                call, code, _ = await at.next_ended()
                if code == "CANCELLED":
                    break
            assert (await watch(at.channel).read()).status == health_pb2.HealthCheckResponse.SERVING

    run(test())


@pytest.mark.parametrize("message", [b"\xff", b"\x0a\x81\x08" + bytes(1025)])
def test_what_is_no_question_for_health_is_the_callers_fault(tokens: TokenFile, message: bytes) -> None:
    async def test() -> None:
        async with serving(tokens=tokens) as at:
            check = at.channel.unary_unary("/grpc.health.v1.Health/Check")
            assert (await refused(check(message))).code() is grpc.StatusCode.INVALID_ARGUMENT
            watch = at.channel.unary_stream("/grpc.health.v1.Health/Watch")(message)
            assert await watch.code() is grpc.StatusCode.INVALID_ARGUMENT

    run(test())
