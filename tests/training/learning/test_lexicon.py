"""Words and their translations, from pairs of sentences alone."""

from dragoman.training.learning.lexicon import learn_lexicon


def test_content_words_find_their_translations_and_frequent_words_are_left_out() -> None:
    nouns = [("dog", "Hund"), ("bridge", "Brücke"), ("tree", "Baum"), ("house", "Haus")]
    verbs = [("sees", "sieht"), ("likes", "mag"), ("finds", "findet")]
    pairs = [
        (f"Tom {english} the {noun} number {a}.", f"Tom {german} das Ding {other} Nummer {a}.")
        for noun, other in nouns
        for english, german in verbs
        for a in range(3)
    ]

    lexicon = learn_lexicon(pairs)
    assert lexicon == {}, "all of them are among the most frequent words"

    many = [(" ".join(f"w{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(101)),) * 2] * 99
    lexicon = learn_lexicon([*pairs, *many])
    assert {word: lexicon.get(word) for word, _ in nouns} == dict(nouns)
    assert {word: lexicon.get(word) for word, _ in verbs} == dict(verbs)
    assert learn_lexicon([]) == {}
