"""The configuration of what a run does with its text before the network learns from it."""

from typing import Literal, Self

from pydantic import Field, model_validator

from dragoman.model.config import FilePath, StrictModel


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
