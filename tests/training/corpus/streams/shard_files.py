"""The same pairs as shards of every format."""

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow
import zstandard
from pyarrow import parquet

from dragoman.training.corpus.streams.records import Shards, find_shards

Pairs = Sequence[tuple[str, str]]
LANGUAGES = ("en", "de")


def write_text(folder: Path, pairs: Pairs, name: str = "0") -> Shards:
    for side, language in enumerate(LANGUAGES):
        path = folder / f"{name}.{language}"
        path.write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
    return find_shards({language: [f"{folder}/*.{language}"] for language in LANGUAGES}, {})


def write_tsv(folder: Path, pairs: Pairs, name: str = "0") -> Shards:
    lines = "".join(f"{number}\t{en}\t{de}\r\n" for number, (en, de) in enumerate(pairs))
    (folder / f"{name}.tsv.gz").write_bytes(gzip.compress(lines.encode()))
    return find_shards({"": [f"{folder}/*.tsv.gz"]}, {"en": 2, "de": 3})


def write_named_tsv(folder: Path, pairs: Pairs, name: str = "0") -> Shards:
    lines = "".join(f"{de}\t{en}\n" for en, de in pairs)
    (folder / f"{name}.tsv.zst").write_bytes(zstandard.compress(("\ufeffGerman\tEnglish\n" + lines).encode()))
    return find_shards({"": [f"{folder}/*.tsv.zst"]}, {"en": "English", "de": "German"})


def write_json(folder: Path, pairs: Pairs, name: str = "0") -> Shards:
    lines = "".join(json.dumps({"translation": {"en": en, "de": de}}) + "\n" for en, de in pairs)
    (folder / f"{name}.jsonl").write_text(lines)
    return find_shards({"": [f"{folder}/*.jsonl"]}, {"en": "translation.en", "de": "translation.de"})


def write_parquet(folder: Path, pairs: Pairs, name: str = "0") -> Shards:
    table = pyarrow.table({"id": range(len(pairs)), "translation": [{"en": en, "de": de} for en, de in pairs]})
    parquet.write_table(table, folder / f"{name}.parquet", row_group_size=7)
    return find_shards({"": [f"{folder}/*.parquet"]}, {"en": "translation.en", "de": "translation.de"})


FORMATS: tuple[Callable[..., Shards], ...] = (write_text, write_tsv, write_named_tsv, write_json, write_parquet)
