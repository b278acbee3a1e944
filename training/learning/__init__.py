"""From a batch to new weights: losses, gradients, optimizer, and the loop around them."""
