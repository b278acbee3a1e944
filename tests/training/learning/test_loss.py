"""The blockwise loss against torch's own cross-entropy over whole logits."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dragoman.training.learning.loss import BLOCK_ROWS, block_rows, projected_cross_entropy, projected_r_drop

VOCAB_SIZE, D_MODEL = 37, 12


def inputs(rows: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """States, weight and labels; both matrices want gradients."""
    random = torch.Generator().manual_seed(rows)
    states = torch.randn(rows, D_MODEL, generator=random, dtype=torch.float64).to(dtype).requires_grad_()
    weight = torch.randn(VOCAB_SIZE, D_MODEL, generator=random, dtype=torch.float64).to(dtype).requires_grad_()
    return states, weight, torch.randint(VOCAB_SIZE, (rows,), generator=random)


def expected(states: Tensor, weight: Tensor, labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor, Tensor]:
    """The loss and the gradients of states and weight, in float64 and over whole logits."""
    states, weight = states.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    loss = F.cross_entropy(states @ weight.T, labels, reduction="sum", label_smoothing=smoothing)
    loss.backward()
    assert states.grad is not None
    assert weight.grad is not None
    return loss.detach(), states.grad, weight.grad


# Fewer rows than a block, a whole block, and several with a rest.
@pytest.mark.parametrize("rows", [1, 7, BLOCK_ROWS, 2 * BLOCK_ROWS + 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_value_and_gradients_equal_torch(rows: int, smoothing: float, dtype: torch.dtype) -> None:
    states, weight, labels = inputs(rows, dtype)

    loss, negative_log_likelihood = projected_cross_entropy(states, weight, labels, smoothing)
    loss.backward()

    expected_loss, states_gradient, weight_gradient = expected(states, weight, labels, smoothing)
    torch.testing.assert_close(loss.detach().double(), expected_loss, rtol=1e-5, atol=1e-4)
    plain = F.cross_entropy(states.double() @ weight.double().T, labels, reduction="sum")
    torch.testing.assert_close(negative_log_likelihood.double(), plain, rtol=1e-5, atol=1e-4)
    assert states.grad is not None
    assert weight.grad is not None
    torch.testing.assert_close(states.grad.double(), states_gradient, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weight.grad.double(), weight_gradient, rtol=1e-4, atol=2e-4)
    assert states.grad.dtype == dtype


def test_low_precision_states_come_near_and_leave_the_weight_its_precision() -> None:
    states, weight, labels = inputs(BLOCK_ROWS + 5, torch.float32)
    low = states.detach().bfloat16().requires_grad_()

    loss, _ = projected_cross_entropy(low, weight, labels, 0.1)
    loss.backward()

    expected_loss, states_gradient, weight_gradient = expected(states, weight, labels, 0.1)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-2)
    assert low.grad is not None
    assert weight.grad is not None
    assert (low.grad.dtype, weight.grad.dtype) == (torch.bfloat16, torch.float32)
    assert F.cosine_similarity(low.grad.double(), states_gradient).min() > 0.999
    assert F.cosine_similarity(weight.grad.double(), weight_gradient).min() > 0.999


def test_the_softmax_of_low_precision_logits_is_in_float32() -> None:
    states, weight, labels = inputs(BLOCK_ROWS + 5, torch.float32)
    low = states.detach().bfloat16().requires_grad_()
    loss, _ = projected_cross_entropy(low, weight, labels, 0.0)
    loss.backward()

    logits = (low @ weight.bfloat16().T).detach().float().requires_grad_()
    expected_loss = F.cross_entropy(logits, labels, reduction="sum")
    expected_loss.backward()
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-6)
    assert logits.grad is not None
    torch.testing.assert_close(low.grad, logits.grad.bfloat16() @ weight.detach().bfloat16())


def test_the_gradient_of_what_follows_scales_both() -> None:
    states, weight, labels = inputs(5, torch.float32)
    loss, _ = projected_cross_entropy(states, weight, labels, 0.1)
    (loss / 8).backward()

    _, states_gradient, weight_gradient = expected(states, weight, labels, 0.1)
    torch.testing.assert_close(states.grad, (states_gradient / 8).float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weight.grad, (weight_gradient / 8).float(), rtol=1e-4, atol=1e-5)


def test_the_inputs_stay_as_they_were() -> None:
    states, weight, labels = inputs(BLOCK_ROWS + 1, torch.float32)
    before = states.detach().clone(), weight.detach().clone(), labels.clone()
    projected_cross_entropy(states, weight, labels, 0.1)[0].backward()
    for tensor, copy in zip((states.detach(), weight.detach(), labels), before, strict=True):
        assert torch.equal(tensor, copy)


def test_without_gradients_the_value_is_the_same() -> None:
    states, weight, labels = inputs(BLOCK_ROWS + 1, torch.float32)
    with_gradients = projected_cross_entropy(states, weight, labels, 0.1)
    with torch.no_grad():
        without = projected_cross_entropy(states, weight, labels, 0.1)

    assert [value.item() for value in without] == [value.item() for value in with_gradients]
    assert not any(value.requires_grad for value in without)


def test_the_plain_likelihood_has_no_gradient() -> None:
    loss, negative_log_likelihood = projected_cross_entropy(*inputs(3, torch.float32), 0.1)
    assert loss.requires_grad
    assert not negative_log_likelihood.requires_grad


def test_huge_logits_do_not_overflow() -> None:
    states, weight, labels = inputs(4, torch.float32)
    loss, _ = projected_cross_entropy(states * 1e3, weight * 1e3, labels, 0.0)
    assert torch.isfinite(loss)


def test_an_impossible_label_has_a_finite_loss_and_its_full_gradient() -> None:
    states = torch.tensor([[300.0, 0.0]], requires_grad=True)
    weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], requires_grad=True)

    loss, _ = projected_cross_entropy(states, weight, torch.tensor([1]), 0.0)  # its probability is e**-600
    loss.backward()

    assert 80 < loss.item() < 100
    assert states.grad is not None
    assert states.grad.tolist() == [[2.0, 0.0]]


def naive_r_drop(states: Tensor, weight: Tensor, labels: Tensor, smoothing: float, strength: float) -> Tensor:
    """The paper's formula over whole logits, halved."""
    first, second = (states @ weight.T).log_softmax(dim=1).chunk(2)
    likelihood = F.cross_entropy(
        torch.cat((first, second)), labels.repeat(2), reduction="sum", label_smoothing=smoothing
    )
    divergence = (
        F.kl_div(second, first, reduction="sum", log_target=True)
        + F.kl_div(first, second, reduction="sum", log_target=True)
    ) / 2
    return (likelihood + strength * divergence) / 2


@pytest.mark.parametrize("rows", [1, 7, BLOCK_ROWS + 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("strength", [0.0, 5.0])
def test_r_drop_equals_the_formula(rows: int, smoothing: float, strength: float) -> None:
    states, weight, _ = inputs(2 * rows, torch.float32)
    labels = torch.arange(rows) % VOCAB_SIZE

    loss, negative_log_likelihood = projected_r_drop(states, weight, labels, smoothing, strength)
    loss.backward()

    doubles = states.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    naive = naive_r_drop(doubles[0], doubles[1], labels, smoothing, strength)
    naive.backward()
    torch.testing.assert_close(loss.detach().double(), naive.detach(), rtol=1e-5, atol=1e-4)
    both = F.cross_entropy(doubles[0] @ doubles[1].T, labels.repeat(2), reduction="sum") / 2
    torch.testing.assert_close(negative_log_likelihood.double(), both.detach(), rtol=1e-5, atol=1e-4)
    for tensor, double in zip((states, weight), doubles, strict=True):
        assert tensor.grad is not None
        assert double.grad is not None
        torch.testing.assert_close(tensor.grad.double(), double.grad, rtol=1e-3, atol=5e-4)


def test_r_drop_of_two_equal_passes_is_the_cross_entropy() -> None:
    states, weight, labels = inputs(9, torch.float32)
    twice = projected_r_drop(torch.cat((states, states)), weight, labels, 0.1, 5.0)
    for value, expected_value in zip(twice, projected_cross_entropy(states, weight, labels, 0.1), strict=True):
        torch.testing.assert_close(value, expected_value)


@pytest.mark.parametrize("r_drop", [False, True])
def test_the_likelihood_of_groups_is_that_of_each_alone(r_drop: bool) -> None:
    rows = BLOCK_ROWS + 3
    states, weight, labels = inputs(2 * rows if r_drop else rows, torch.float32)
    labels = labels[:rows]
    groups = torch.arange(rows) % 3

    def measure(chosen: Tensor, groups: tuple[Tensor, int] | None = None) -> tuple[Tensor, Tensor]:
        if r_drop:
            own = torch.cat((states[:rows][chosen], states[rows:][chosen]))
            return projected_r_drop(own, weight, labels[chosen], 0.1, 2.0, groups)
        return projected_cross_entropy(states[chosen], weight, labels[chosen], 0.1, groups)

    everything = torch.ones(rows, dtype=torch.bool)
    loss, likelihoods = measure(everything, (groups, 4))
    plain_loss, total = measure(everything)
    assert loss.item() == plain_loss.item()
    torch.testing.assert_close(likelihoods.sum(), total)
    for number in range(3):
        torch.testing.assert_close(likelihoods[number], measure(groups == number)[1])
    assert likelihoods[3] == 0


def test_an_accelerator_takes_a_batch_at_once_unless_its_logits_are_too_many() -> None:
    assert block_rows(torch.device("cpu"), 8000) == BLOCK_ROWS
    assert block_rows(torch.device("cuda"), 8000) == 33554
    assert block_rows(torch.device("cuda"), 1 << 20) == BLOCK_ROWS
