"""What is translated: sentences of a test set or made up, alone and together in texts of many of them."""

import random
from collections.abc import Sequence
from pathlib import Path

_WHO = ("My brother", "The teacher", "Our neighbor", "The old man", "Her friend", "A child", "Nobody", "Tom")
_DOES = ("bought", "saw", "found", "painted", "forgot", "carried", "described", "was looking for")
_WHAT = ("a book", "the letter", "a glass of water", "the red car", "two old houses", "some bread", "the key")
_WHEN = ("yesterday", "last week", "in the morning", "before dinner", "after the long journey", "when it rained")


def read_sentences(data: Path | None, language: str, num_sentences: int) -> list[str]:
    """Different ones, the first of devtest's or dev's; made-up English ones without a folder of data.

    data: a folder with devtest.en and so on, or dev.en.
    """
    if data is None:
        return _made_up(num_sentences)
    for name in ("devtest", "dev"):
        path = data / f"{name}.{language}"
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            return list(dict.fromkeys(line for line in lines if line.strip()))[:num_sentences]
    raise FileNotFoundError(f"{data} has neither devtest.{language} nor dev.{language}")


def join_into_texts(sentences: Sequence[str], num_texts: int, seed: int) -> list[str]:
    """Texts of 2 to 12 sentences, in one or several lines, each of them different."""
    draw = random.Random(seed)
    texts: dict[str, None] = {}
    while len(texts) < num_texts:
        chosen = draw.sample(sentences, min(draw.randint(2, 12), len(sentences)))
        texts[draw.choice((" ", "\n", "\n\n")).join(chosen)] = None
    return list(texts)


def _made_up(num_sentences: int) -> list[str]:
    draw = random.Random(5)
    sentences: dict[str, None] = {}
    while len(sentences) < num_sentences:
        number = draw.randrange(2, 10_000)
        clauses = [
            f"{draw.choice(_WHO)} {draw.choice(_DOES)} {draw.choice(_WHAT)} {draw.choice(_WHEN)}"
            for _ in range(draw.choice((1, 1, 2)))
        ]
        sentences[f"{', and '.join(clauses)} {number} times."] = None
    return list(sentences)
