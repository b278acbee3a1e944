"""The configuration of a run's text: corpora and dev sets, and what happens to text before the network learns it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from dragoman.model.config import Direction
from dragoman.model.config_files import FilePath, StrictModel, find_repeated
from dragoman.model.errors import InvalidInputError
from dragoman.training.corpus.corpus_config import CorpusConfig, TextFiles, parse_direction, spoken_by

_SET_NAME = re.compile(r"\w[\w.-]*")


class DevSetConfig(TextFiles):
    """One of several dev sets: a file for each language, under the language's code."""

    weight: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="Weight of this set's BLEU, the mean of its directions', in the BLEU that decides which weights "
        "are the best. 0: the set is measured and does not decide.",
    )
    max_loss: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="BLEU that the set may lose against the bundle that the run begins with; each point more costs ten "
        "in the BLEU that decides. By default no limit.",
    )
    directions: tuple[str, ...] = Field(
        (),
        strict=False,
        description="Directions that this set measures; by default all of the run's directions whose languages it has.",
    )


def _tag(entry: object) -> str:
    return "(set)" if isinstance(entry, dict | DevSetConfig) else "(file)"


_DevEntry = Annotated[
    Annotated[FilePath, Tag("(file)")] | Annotated[DevSetConfig, Tag("(set)")],
    Discriminator(_tag),
]


class DataConfig(StrictModel):
    """The parallel corpus. Paths are relative to the working directory; .gz files are decompressed as they are read."""

    directions: tuple[str, ...] = Field(
        min_length=1,
        strict=False,
        description='Directions to learn: ["en-de", "de-en"]; for a language model one language: ["de"].',
    )
    train: tuple[CorpusConfig, ...] = Field((), strict=False, description="Corpora: a file for each language.")
    dev: dict[str, _DevEntry] = Field(
        {},
        description="Held-out sentences for validation: a file for each language; or several such sets by name, "
        "[data.dev.general] and [data.dev.domain].",
    )
    max_length: int = Field(128, ge=1, description="Pairs with more pieces on a side are dropped and counted.")
    shuffle_pairs: int = Field(262_144, ge=1024, description="Pairs that are held in memory and shuffled together.")
    sampling_temperature: float = Field(
        1.0,
        ge=1,
        allow_inf_nan=False,
        description="1: an epoch has every pair once. Above 1: corpora and directions get shares of the epoch in "
        "proportion to size^(1/temperature), which favours small ones.",
    )
    sample_pairs: int = Field(
        200_000,
        ge=1000,
        description="Pairs of each corpus of shards that are read before the run: from them the vocabulary and "
        "the known words are learnt, and the corpus is judged.",
    )

    @property
    def parsed_directions(self) -> tuple[Direction, ...]:
        return tuple(parse_direction(direction) for direction in self.directions)

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages of all directions, sorted."""
        return tuple(
            sorted({code for direction in self.parsed_directions for code in (direction.source, direction.target)})
        )

    @property
    def dev_sets(self) -> dict[str, DevSetConfig]:
        """The dev sets by name; a single set may have none, which is "" here."""
        files = {code: entry for code, entry in self.dev.items() if isinstance(entry, Path)}
        named = {name: entry for name, entry in self.dev.items() if isinstance(entry, DevSetConfig)}
        return named or {"": DevSetConfig.model_validate(files)}

    @property
    def is_mixed(self) -> bool:
        """Whether corpora are drawn from by their weights, without epochs."""
        return any(corpus.shards is not None or corpus.weight is not None for corpus in self.train)

    @property
    def corpus_names(self) -> tuple[str, ...]:
        """A name for each of `train`, all different: its own, or that of its first file, with as much of the path as
        it takes to tell it from the others."""
        paths = [
            Path(next(iter(corpus.patterns.values()))[0]) if corpus.shards else next(iter(corpus.files.values()))
            for corpus in self.train
        ]
        names = [corpus.name or path.name for corpus, path in zip(self.train, paths, strict=True)]
        for longer in (map(str, paths), [f"{path} ({number})" for number, path in enumerate(paths, 1)]):
            names = [
                long if corpus.name is None and names.count(name) > 1 else name
                for corpus, name, long in zip(self.train, names, longer, strict=True)
            ]
        return tuple(names)

    @model_validator(mode="after")
    def _directions_are_clear_and_have_files(self) -> Self:
        try:
            directions = self.parsed_directions
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        for number, direction in enumerate(directions):
            if direction in directions[:number]:
                raise ValueError(f"{direction} is listed twice")
        for number, corpus in enumerate(self.train):
            _check_directions(corpus, directions, f"train.{number}")
        for direction in directions:
            if not any(spoken_by(corpus.languages, [direction]) for corpus in self.train):
                if direction.source == direction.target:
                    raise ValueError(
                        f'"{direction.source}" is no translation direction, which is written like "en-de", and '
                        "no corpus in train has it as a language, for a language model"
                    )
                raise ValueError(f"no corpus in train has both languages of {direction}")
            if not any(direction in corpus.taught(directions) for corpus in self.train):
                raise ValueError(
                    f"every corpus in train that has both languages of {direction} is for other directions"
                )
        for number, corpus in enumerate(self.train):
            if not spoken_by(corpus.languages, directions):
                raise ValueError(f"train.{number} lacks both languages of every direction")
        return self

    @model_validator(mode="after")
    def _dev_sets_measure_all(self) -> Self:
        if len({isinstance(entry, Path) for entry in self.dev.values()}) > 1:
            raise ValueError("dev has files and named sets: put the files into a set with a name, too")
        directions, sets = self.parsed_directions, self.dev_sets
        for name, dev in sets.items():
            if name and not _SET_NAME.fullmatch(name):
                raise ValueError(f'dev: "{name}" is no name of a set: use letters, digits and any of . _ -')
            _check_directions(dev, directions, f"dev.{name}")
            if name and not dev.taught(directions):
                raise ValueError(f"dev.{name} lacks both languages of every direction")
        for direction in directions:
            if not any(direction in dev.taught(directions) for dev in sets.values()):
                raise ValueError(f"dev lacks a language of {direction}")
        if not any(dev.weight for dev in sets.values()):
            raise ValueError("dev: a set must have a weight above 0")
        return self

    @model_validator(mode="after")
    def _mixture_has_weights_alone(self) -> Self:
        if not self.is_mixed:
            return self
        if self.sampling_temperature != 1:
            raise ValueError("sampling_temperature does not go with a weight or shards: the weights say it")
        for number, corpus in enumerate(self.train):
            if corpus.repeat != 1:
                raise ValueError(f"train.{number}.repeat does not go with a weight or shards: say weight")
        begins = {begin for corpus in self.train for begin, _ in corpus.steps}
        for begin in sorted(begins):
            if not any([weight for start, weight in corpus.steps if start <= begin][-1] for corpus in self.train):
                raise ValueError(f"train: from {begin:g} of the run on, no corpus has a weight above 0")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if repeated := find_repeated(corpus.name for corpus in self.train if corpus.name is not None):
            raise ValueError(f'train: two corpora have the name "{repeated}"')
        return self


def _check_directions(text: CorpusConfig | DevSetConfig, directions: Sequence[Direction], name: str) -> None:
    """Raises ValueError unless a text's own directions are among the run's and the text has their languages."""
    for wanted in text.directions:
        try:
            direction = parse_direction(wanted)
        except InvalidInputError as error:
            raise ValueError(f"{name}.directions: {error}") from error
        if direction not in directions:
            raise ValueError(f"{name}.directions: {direction} is not one of the run's directions")
        if not spoken_by(text.languages, [direction]):
            raise ValueError(f"{name} lacks a language of {direction}")


class SubwordRegularizationConfig(StrictModel):
    """Randomly drawn segmentations, new in every epoch. For a unigram vocabulary, alpha is the exponent of the
    segmentations' probabilities (Kudo 2018): the smaller, the more random; usually 0.1 to 0.5. For a BPE vocabulary it
    is the share of merges left out (BPE-dropout, Provilkov et al. 2020), usually 0.1."""

    source_alpha: float = Field(0.0, ge=0, le=1, description="Source side's alpha; 0: always the best segmentation.")
    target_alpha: float = Field(0.0, ge=0, le=1, description="Target side's alpha; 0: always the best segmentation.")


class AugmentationConfig(StrictModel):
    """Changes that make a model robust against text as people write it, each with its share of the pairs, drawn anew in
    every epoch. Of those from `capitals` to `no_final_punctuation` a pair gets one at most."""

    capitals: float = Field(0.0, ge=0, le=1, description="Both sides in capitals.")
    title_case: float = Field(0.0, ge=0, le=1, description="Every word of the source capitalized.")
    lower_case: float = Field(0.0, ge=0, le=1, description="The source in lower case.")
    typos: float = Field(0.0, ge=0, le=1, description="Misspelt words in the source: one of ten, and at least one.")
    no_diacritics: float = Field(0.0, ge=0, le=1, description="The source in plain letters: ae or a for ä.")
    no_final_punctuation: float = Field(0.0, ge=0, le=1, description="The source without its last . ? or !")
    concatenated: float = Field(
        0.0, ge=0, le=0.9, description="Another pair behind the pair, and with this chance one more, and so on."
    )
    stand_ins: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Stand-ins for figures, addresses, placeholders and names that both sides have. Needs "
        "vocabulary.stand_ins, or a vocabulary that has them.",
    )
    terms: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Some words of the source are followed by their translation: dog⟪Hund⟫. Needs the marks as "
        "vocabulary.user_defined pieces.",
    )
    copied_signs: float = Field(
        0.0, ge=0, le=1, description="Emoji, signs or a word of rare letters at the beginning or end of both sides."
    )

    @model_validator(mode="after")
    def _shares_are_of_one_whole(self) -> Self:
        manners = (self.capitals, self.title_case, self.lower_case, self.typos, self.no_diacritics)
        if sum(manners) + self.no_final_punctuation > 1 + 1e-9:
            raise ValueError("the shares from capitals to no_final_punctuation add up to more than 1")
        return self

    @property
    def is_on(self) -> bool:
        return any(self.model_dump().values())


TERM_MARKS = ("⟪", "⟫")
"""Around a wanted translation in the source, behind the word that it translates."""


def stand_in(number: int) -> str:
    """The piece that stands for a span; 1 is the first."""
    return f"⟦{number}⟧"


class VocabularyConfig(StrictModel):
    """SentencePiece models: given as files, or learnt from the training corpus. See
    `initialization.vocabulary` for a run that begins with a bundle."""

    size: int = Field(8000, ge=300, description="Number of pieces; of each side if the vocabulary is not joint.")
    type: Literal["unigram", "bpe"] = Field(
        "unigram", description="Kind of SentencePiece model: unigram language model or byte-pair encoding."
    )
    joint: bool = Field(True, description="One vocabulary for both sides.")
    byte_fallback: bool = Field(True, description="Spell unseen characters as UTF-8 bytes instead of unknown.")
    character_coverage: float = Field(
        0.9999, gt=0, le=1, description="Share of the corpus's characters that get a piece of their own."
    )
    split_digits: bool = Field(False, description="Each digit is a piece of its own, so that any number is copied.")
    stand_ins: int = Field(
        0, ge=0, le=99, description="So many pieces ⟦1⟧, ⟦2⟧, … stand for spans that are not to be translated."
    )
    user_defined: tuple[str, ...] = Field(
        (), strict=False, description="Further texts that are always one piece, such as emoji."
    )
    normalization: Literal["nmt_nfkc", "nfkc", "nfc", "identity"] = Field(
        "nmt_nfkc",
        description="Of text before it is split. NFKC makes m2 of m²; nfc joins letters and their accents, makes any "
        "space a plain one, and leaves out what nobody sees.",
    )
    source_file: FilePath | None = Field(None, description="A SentencePiece model to use; for both sides if joint.")
    target_file: FilePath | None = Field(None, description="The target side's model if the vocabulary is not joint.")

    @model_validator(mode="after")
    def _files_fit_together(self) -> Self:
        if self.target_file is not None and (self.joint or self.source_file is None):
            raise ValueError("target_file needs source_file and joint = false")
        if self.source_file is not None and not self.joint and self.target_file is None:
            raise ValueError("source_file with joint = false needs target_file too")
        if "" in self.user_defined:
            raise ValueError("user_defined has an empty text")
        return self

    @property
    def pieces_of_their_own(self) -> tuple[str, ...]:
        """Stand-ins, then the further user-defined pieces."""
        return (*map(stand_in, range(1, self.stand_ins + 1)), *self.user_defined)
