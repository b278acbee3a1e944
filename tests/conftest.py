"""Shared by all tests."""

import torch

# The tests' networks are tiny: a second thread would only wait for the first, and disturb whatever else is running.
torch.set_num_threads(1)
