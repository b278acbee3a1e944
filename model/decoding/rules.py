"""The rules of the search, each a pure function."""

from model.decoding.request import LengthNormalization


def length_penalty(length: int, alpha: float, normalization: LengthNormalization) -> float:
    """What a hypothesis' log probability is divided by, for `length` target pieces with the end of sentence.

    "gnmt": ((5 + length) / 6) ** alpha of Wu et al. (2016), equation 14; "average": length ** alpha.
    """
    return float(length if normalization == "average" else (5.0 + length) / 6.0) ** alpha
