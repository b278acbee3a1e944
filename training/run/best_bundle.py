"""The best network of a run, kept as a bundle."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dragoman.model.bundle import BundleConfig, read_config, write_bundle
from dragoman.model.codec import Codec
from dragoman.model.errors import InvalidInputError
from dragoman.model.known_words import NO_KNOWN_WORDS, WORDS_FILE, KnownWords, pack_known_words
from dragoman.model.network.network import Network, num_parameters
from dragoman.model.network.storage import pack_weights
from dragoman.training.card import model_card
from dragoman.training.config import RunConfig
from dragoman.training.evaluation.ranking import DECISIVE, PERPLEXITY, Rank, decisive_score, rank
from dragoman.training.run.progress import Progress


class BestBundle:
    """The bundle `best` of a run folder, rewritten for every better network."""

    def __init__(
        self,
        config: RunConfig,
        vocabulary: Codec,
        network: Network,
        *,
        num_pairs: int | None,
        checksums: Mapping[str, str],
        start: Mapping[str, Any],
        fluent_length: int | None = None,
        known_words: KnownWords = NO_KNOWN_WORDS,
    ) -> None:
        """num_pairs: training pairs, None if they are not counted; checksums: of the data; start: see
        `training.run.folder.circumstances`. fluent_length, known_words: see `training.run.lessons`."""
        self.config = config
        self.vocabulary = vocabulary
        self.num_pairs = num_pairs
        self.checksums = checksums
        self.start = start
        self.known_words = known_words
        self.folder = config.run_folder / "best"
        self.info = BundleConfig(
            name=config.bundle.name,
            directions=config.data.parsed_directions,
            architecture=config.architecture,
            vocabulary=vocabulary.shape,
            storage=config.bundle.storage,
            num_parameters=num_parameters(network),
            fluent_length=fluent_length,
        )
        self.rank = self._kept_rank()

    def _kept_rank(self) -> Rank:
        """That of the bundle that an earlier process of this run kept; below all others if there is none."""
        try:
            kept = read_config(self.folder).provenance
            decisive = (DECISIVE, kept["dev_bleu"]) if "dev_bleu" in kept else (PERPLEXITY, kept["dev_perplexity"])
            values = {name: float(value) for name, value in (*kept.get("dev_scores", {}).items(), decisive)}
            return rank(decisive_score(values), values)
        except (InvalidInputError, KeyError, TypeError, ValueError, AttributeError):
            return -math.inf, 0.0

    def offer(
        self,
        network: Network,
        progress: Progress,
        values: dict[str, float],
        averaged: list[int],
        share: float = 0.0,
    ) -> bool:
        """See `training.run.trainer.Offer`. Raises DragomanError when the bundle cannot be written."""
        score = decisive_score(values)
        own = rank(score, values)
        if own <= self.rank:
            return False
        options = self.config.bundle
        provenance = {
            "description": options.description,
            "data": options.data,
            "licence": options.licence,
            **({"dev_bleu": score} if DECISIVE in values else {"dev_perplexity": values[PERPLEXITY]}),
            "dev_scores": {name: value for name, value in values.items() if name not in (DECISIVE, PERPLEXITY)},
            "sentence_pairs": self.num_pairs,
            "updates": progress.update,
            "target_tokens": progress.target_tokens,
            "hours": round(progress.seconds / 3600, 2),
            "averaged_checkpoints": averaged,
            **({"initial_share": share} if share else {}),
            "date": time.strftime("%Y-%m-%d"),
            **self.start,
            "seed": self.config.seed,
            "data_checksums": self.checksums,
            "run": json.loads(self.config.model_dump_json()),
        }
        info = replace(self.info, provenance=provenance)
        has_words = any(map(self.known_words.has, self.known_words.digests))
        more = {WORDS_FILE: pack_known_words(self.known_words)} if has_words else {}
        weights = pack_weights(network, options.storage)
        write_bundle(self.folder, info, self.vocabulary, weights, model_card(info), more)
        self.rank = own
        return True
