"""The Transformer in torch, for training and for processors without compiled kernels."""
