"""Learning a lexical shortlist (dragoman.model.shortlist) from a parallel corpus.

Candidates are chosen by p(target piece | source piece) of IBM Model 1 (Brown et al. 1993), learnt by expectation
maximization in a few lines of numpy. Libraries for word alignment give links between the words of sentence pairs, from
which these probabilities would have to be counted again.

The table is for the first bundle en-de (6+2 layers), learnt from all 161,996 pairs of its training corpus in half a
minute for each direction on one core: `frequent` and `best` (see ShortlistOptions), the mean size of a sentence's
shortlist out of 8,000 pieces, the share of the dev set's target pieces in it (end of sentence included), BLEU on dev,
and the lists' size in the bundle. BLEU is that of CTranslate2 4.8.5 with these lists as its vmap (int8, beam 4, one
sentence at a time).

|                |     en→de                       |     de→en                       |
| frequent, best |  size   coverage   BLEU   file  |  size   coverage   BLEU   file  |
|----------------|---------------------------------|---------------------------------|
| 64, 20         |   200    95.1 %   40.13  166 kB |   184    96.9 %   47.40  218 kB |
| 64, 50         |   320    97.1 %   40.10  360 kB |   251    98.0 %   47.49  399 kB |
| 100, 30        |   280    96.5 %   40.04  236 kB |   237    97.7 %   47.44  287 kB |
| 100, 50        |   347    97.2 %   40.13  353 kB |   269    98.1 %   47.40  370 kB |
| 100, 100       |   424    97.8 %   40.06  486 kB |   303    98.4 %   47.41  434 kB |
| 200, 100       |   479    97.9 %   40.07  429 kB |   370    98.6 %   47.46  373 kB |
| 500, 100       |   701    98.2 %   40.24  328 kB |   620    98.9 %   47.43  268 kB |
| none           | 8,000   100.0 %   40.08         | 8,000   100.0 %   47.40         |

Our own search in int8 with the shipped shortlist (100, 50), and with the whole vocabulary, has BLEU dev en→de 40.12 and
40.14, de→en 47.46 and 47.39; devtest en→de 39.50 and 39.78, de→en 46.36 and 46.28; chrF is never lower. With the
present bundle (6+2 layers, distilled): dev 45.4 and 45.7, 52.1 and 52.3; devtest 44.2 and 44.3, 51.4 and 51.6. About
one
sentence in six is translated differently, a few less with longer lists: the softmax redistributes the probability of
the missing pieces, and close races end differently.

The missing pieces hardly matter: a piece that the whole network chooses but the shortlist lacks is mostly unrelated to
the source. The defaults, 100 and 50, leave room for other kinds of text; for this one less would do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dragoman.model.bundle import find_bundle, read_config, read_vocabulary
from dragoman.model.codec import Codec
from dragoman.model.config import Direction
from dragoman.model.decoding.loading import refuse_language_model
from dragoman.model.errors import InvalidInputError
from dragoman.model.shortlist import CandidateLists, Shortlist, has_shortlist, read_shortlist, write_vmap
from dragoman.training.corpus.pairs import EncodedCorpus, EncodedSide, encode_corpus, read_parallel
from dragoman.training.learning.translation_table import TranslationTable, learn_translation_table, num_links
from dragoman.translation.languages import find_direction

MAX_LENGTH = 100
"""Pairs with more pieces on a side are left out: they teach little for the time they take."""

MAX_LINKS = 100_000_000
"""Most links, pairs of a source and a target piece of a sentence pair, to learn from; a larger corpus is thinned out
evenly. Bounds the time to minutes and the memory to about 1 GB."""

MAX_HELD_OUT = 2000
"""Most sentence pairs for measuring coverage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortlistOptions:
    """The sizes of the lists.

    frequent:        number of most frequent target pieces that are always possible; at least 64, which a beam of 32
                     needs.
    best:            most candidates of a source piece besides these.
    min_probability: least p(target piece | source piece) of a candidate.
    num_iterations:  of expectation maximization.
    """

    frequent: int = 100
    best: int = 50
    min_probability: float = 1e-4
    num_iterations: int = 5


@dataclass(frozen=True, slots=True)
class Coverage:
    """A shortlist's coverage of held-out pairs.

    pieces:     share of the target pieces, the end of sentence included, that are in their sentence's shortlist.
    sentences:  share of the target sentences whose pieces all are.
    mean_size:  mean size of a sentence's shortlist.
    vocab_size: number of target pieces in the vocabulary.
    num_pairs:  held-out pairs.
    """

    pieces: float
    sentences: float
    mean_size: float
    vocab_size: int
    num_pairs: int


def add_shortlist(
    bundle: str,
    source_language: str | None,
    target_language: str,
    *,
    source: Path,
    target: Path,
    options: ShortlistOptions,
    vmap: Path | None = None,
) -> tuple[Direction, Coverage]:
    """Learns a direction's lists from a parallel corpus and writes them into the bundle, whose other directions keep
    theirs, and for CTranslate2 into the file `vmap`. Measures the coverage on up to MAX_HELD_OUT evenly spread pairs
    that are held out.

    Raises NotFoundError or InvalidInputError that names the file or language at fault, and DragomanError if a file
    cannot be written.
    """
    folder = find_bundle(bundle)
    config = read_config(folder)
    refuse_language_model(bundle, config)
    vocabulary = read_vocabulary(folder, config)
    direction = find_direction(config, source_language, target_language)
    older = read_shortlist(folder, config) if has_shortlist(folder) else Shortlist({}, config.vocabulary)
    sources, targets = read_parallel([source, target])
    corpus = encode_corpus([(direction, sources, targets)], vocabulary, max_length=MAX_LENGTH)
    if len(corpus) < 2:
        raise InvalidInputError(f"{source}: one sentence pair is too little to learn a shortlist from")
    learnt, held_out = split_corpus(corpus)
    shortlist = older.with_lists(direction, learn_lists(learnt, direction, vocabulary, options))
    coverage = measure_coverage(shortlist, direction, held_out)
    shortlist.write(folder)
    if vmap is not None:
        write_vmap(vmap, shortlist, direction, vocabulary)
    return direction, coverage


def split_corpus(corpus: EncodedCorpus) -> tuple[EncodedCorpus, EncodedCorpus]:
    """The pairs to learn from, and every n-th pair, at most a tenth, to measure on."""
    step = max(10, -(-len(corpus) // MAX_HELD_OUT))
    is_held_out = np.arange(len(corpus)) % step == 0
    return _choose(corpus, np.flatnonzero(~is_held_out)), _choose(corpus, np.flatnonzero(is_held_out))


def _choose(corpus: EncodedCorpus, indices: NDArray[np.int64]) -> EncodedCorpus:
    return EncodedCorpus(
        corpus.source.choose(indices), corpus.target.choose(indices), corpus.skipped, corpus.vocabulary
    )


def learn_lists(
    corpus: EncodedCorpus, direction: Direction, vocabulary: Codec, options: ShortlistOptions
) -> CandidateLists:
    """One direction's candidates; the corpus as `encode_corpus` gives it.

    A source piece gets its likeliest translations and, for names, numbers and other words that stay the same, the
    target pieces with its spelling, at the beginning of a word or within one.
    """
    table = learn_translation_table(thin_out(corpus), options.num_iterations)
    possible = np.ones(vocabulary.target.size, dtype=np.bool_)
    possible[vocabulary.forbidden_ids()] = False
    always = _most_frequent(corpus.target, possible, options.frequent, vocabulary.shape.eos_id)
    is_candidate = possible.copy()
    is_candidate[always] = False  # they need no list
    keep = is_candidate[table.targets] & (table.probabilities >= options.min_probability)
    sources, targets = _best(table, np.flatnonzero(keep), options.best)
    # The tag and the end of sentence are in every source: they served as the empty word and get no candidates.
    framing = np.isin(sources, vocabulary.frame(direction).enclose(()))
    copies = _copies(vocabulary, is_candidate)
    sources = np.concatenate((sources[~framing], copies[0]))
    targets = np.concatenate((targets[~framing], copies[1]))
    distinct = np.unique(sources * vocabulary.target.size + targets)
    sources, targets = np.divmod(distinct, vocabulary.target.size)
    return CandidateLists(always, np.searchsorted(sources, np.arange(vocabulary.source.size + 1)), targets)


def _most_frequent(target: EncodedSide, possible: NDArray[np.bool_], number: int, eos_id: int) -> NDArray[np.int64]:
    """The ids of the most frequent pieces and of the end of sentence, ascending."""
    frequencies = np.bincount(target.pieces, minlength=len(possible)).astype(np.int64)
    frequencies[eos_id] = 0
    frequencies[~possible] = -1
    order = np.argsort(-frequencies, kind="stable")[: min(number, int(possible.sum()))]
    return np.union1d(order, [eos_id])


def _best(
    table: TranslationTable, entries: NDArray[np.int64], number: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Source and target ids of the likeliest `number` entries of each source piece."""
    order = entries[np.lexsort((table.targets[entries], -table.probabilities[entries], table.sources[entries]))]
    sources = table.sources[order]
    ranks = np.arange(len(sources)) - np.searchsorted(sources, sources)
    return sources[ranks < number], table.targets[order][ranks < number]


def _copies(vocabulary: Codec, is_candidate: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Source and target ids with the same spelling, whether or not they begin a word."""
    target_pieces = vocabulary.target.pieces(range(vocabulary.target.size))
    ids = {piece: i for i, piece in enumerate(target_pieces) if is_candidate[i]}
    sources, targets = [], []
    for source, piece in enumerate(vocabulary.source.pieces(range(vocabulary.source.size))):
        inner = piece.removeprefix("▁")
        for spelling in (inner, "▁" + inner):
            if spelling in ids:
                sources.append(source)
                targets.append(ids[spelling])
    return np.array(sources, dtype=np.int64), np.array(targets, dtype=np.int64)


def measure_coverage(shortlist: Shortlist, direction: Direction, corpus: EncodedCorpus) -> Coverage:
    """The coverage on pairs as `encode_corpus` gives them."""
    sizes = np.zeros(len(corpus))
    covered = np.zeros(len(corpus), dtype=np.int64)
    for pair, (source, target) in enumerate(zip(_sequences(corpus.source), _sequences(corpus.target), strict=True)):
        allowed = shortlist.allowed_ids(source.tolist(), direction)
        sizes[pair] = len(allowed)
        covered[pair] = np.isin(target, allowed).sum()
    lengths = corpus.target.lengths
    return Coverage(
        pieces=float(covered.sum() / lengths.sum()),
        sentences=float((covered == lengths).mean()),
        mean_size=float(sizes.mean()),
        vocab_size=shortlist.shape.target_size,
        num_pairs=len(corpus),
    )


def _sequences(side: EncodedSide) -> Iterator[NDArray[np.int32]]:
    return (side.pieces[begin:end] for begin, end in zip(side.offsets[:-1], side.offsets[1:], strict=True))


def thin_out(corpus: EncodedCorpus) -> EncodedCorpus:
    """Every n-th pair, so that there are at most about MAX_LINKS links."""
    step = -(-int(num_links(corpus).sum()) // MAX_LINKS)
    return corpus if step <= 1 else _choose(corpus, np.arange(0, len(corpus), step))
