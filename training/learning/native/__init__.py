"""The operations between the matrix products of training, in C++, for processors."""
