import pytest

from dragoman.server.access.quotas import QuotaError, Quotas
from dragoman.server.access.tokens import Token


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_calls_are_counted_by_client_and_in_all() -> None:
    quotas = Quotas(3, 2)
    for client in ("a", "a", "b"):
        quotas.enter(client, None)
    with pytest.raises(QuotaError, match="the server's limit of 3 concurrent calls") as caught:
        quotas.enter("c", None)
    assert (caught.value.reason, caught.value.retry_after) == ("calls", 0.5)
    quotas.leave("b")
    with pytest.raises(QuotaError, match="this client's limit of 2 concurrent calls") as caught:
        quotas.enter("a", None)
    assert caught.value.reason == "calls_of_client"
    quotas.enter("c", None)
    for client in ("a", "a", "c"):
        quotas.leave(client)
    for client in ("d", "d", "e"):
        quotas.enter(client, None)


def test_a_tokens_own_limit_counts_instead_of_the_common_one() -> None:
    quotas = Quotas(10, 2)
    generous, narrow = Token("generous", max_concurrent_calls=3), Token("narrow", max_concurrent_calls=1)
    for _ in range(3):
        quotas.enter("generous", generous)
    quotas.enter("narrow", narrow)
    for token in (generous, narrow):
        with pytest.raises(QuotaError):
            quotas.enter(token.name, token)


def test_characters_flow_at_the_tokens_rate_and_may_be_overdrawn_once() -> None:
    clock = Clock()
    quotas = Quotas(1, 1, clock=clock)
    token = Token("a", characters_per_minute=120)  # two a second
    assert quotas.charge(token, 100) == 0
    assert quotas.charge(token, 1000) == 0  # 20 are left
    assert quotas.charge(token, 1) == 490.5  # 980 and one, at two a second
    clock.now = 490
    assert quotas.charge(token, 1) == 0.5
    clock.now = 490.5
    assert quotas.charge(token, 1) == 0
    assert quotas.charge(token, 1) == 0.5
    clock.now = 10_000
    assert quotas.charge(token, 119) == 0  # no more than a minute's worth was saved up
    assert quotas.charge(token, 1) == 0
    assert quotas.charge(token, 1) == 0.5


def test_a_caller_without_a_rate_and_a_call_without_text_are_not_charged() -> None:
    quotas = Quotas(1, 1, clock=Clock())
    token = Token("a", characters_per_minute=1)
    assert quotas.charge(token, 5) == 0
    assert quotas.charge(token, 0) == 0
    assert quotas.charge(token, 1) == 300
    assert quotas.charge(None, 10**9) == 0
    assert quotas.charge(Token("b"), 10**9) == 0


def test_a_changed_rate_begins_anew() -> None:
    quotas = Quotas(1, 1, clock=Clock())
    assert quotas.charge(Token("a", characters_per_minute=1), 5) == 0
    assert quotas.charge(Token("a", characters_per_minute=2), 1) == 0
