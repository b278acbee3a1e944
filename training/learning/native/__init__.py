"""What lies between the matrix products of training, in C++, for processors."""
