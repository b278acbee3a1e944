"""Finding code with spaces in it."""

import pytest

from dragoman.translation.protecting.snippets import find_snippets, keep_whole
from dragoman.translation.protecting.spans import find_spans


def found(text: str) -> list[str]:
    return [text[begin:end] for begin, end in find_snippets(text)]


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ('Then run git commit -m "first version" and push it.', ['git commit -m "first version"']),
        ("First type sudo apt install ffmpeg in the terminal.", ["sudo apt install ffmpeg"]),
        ("Zuerst muss man sudo apt update ausführen.", ["sudo apt update"]),
        ("After that, npm run build does not work.", ["npm run build"]),
        ("I tried ls -la | grep txt but nothing happened.", ["ls -la | grep txt"]),
        ("SELECT name FROM users WHERE id = 5; is slow.", ["SELECT name FROM users WHERE id = 5;"]),
        ('Send {"name": "Tom", "age": 5} now.', ['{"name": "Tom", "age": 5}']),
        ("Set .b:hover { color: red; } here.", [".b:hover { color: red; }"]),
        ("Benutze font-size: 12px für den Text.", ["font-size: 12px"]),
        ("The formula $E = mc^2$ is famous.", ["$E = mc^2$"]),
        ("If x^2 + y^2 = r^2, it is.", ["x^2 + y^2 = r^2"]),
        ("Set max_connections = 100 in it.", ["max_connections = 100"]),
        ("Is a && b || c true?", ["a && b || c"]),
        ("between == and !=", ["==", "!="]),
        ("items.filter(x => x.price > 10).map(f) is slow.", ["items.filter(x => x.price > 10).map(f)"]),
        ("int main(void) and max(a, b)", ["int main(void)", "max(a, b)"]),
        ("The pattern ^[a-z]+\\d*$ matches.", ["^[a-z]+\\d*$"]),
        ("Die Dateien in src/**/*.ts und data_??.csv.", ["src/**/*.ts", "data_??.csv"]),
        ("Commit 9f2c1ab at Main.java:17.", ["9f2c1ab", "Main.java:17"]),
        ("Run gh auth login first.", ["gh auth login"]),
        ('Set "strict": true in it.', ['"strict": true']),
        ("It prints [INFO] at the end.", ["[INFO]"]),
        ("Content-Type: application/json is missing.", ["Content-Type: application/json"]),
        ("It ends with KeyError: 'name'.", ["KeyError: 'name'"]),
        ("My shell says bash: foo: command not found.", ["bash: foo"]),
        ("Type it behind me@host:~$ now.", ["me@host:~$"]),
    ],
)
def test_code_is_found_as_a_whole(text: str, due: list[str]) -> None:
    assert found(text) == due


@pytest.mark.parametrize(
    "text",
    [
        "Do you go to make dinner, or do I find time to cut it?",
        "The file(s) and the Kolleg(inn)en came at 10:30 - a good time.",
        "You and I - a story of $5 and 10$.",
        "Time = a valuable thing; Zeit = Geld.",
        "What is it? Nothing! He said: come in.",
        "Wenn du $2 verwendest, half-time: 1-1.",
        "Select one from the list, and update it.",
    ],
)
def test_prose_has_none(text: str) -> None:
    assert found(text) == []


def test_snippets_cut_no_span() -> None:
    assert keep_whole([(0, 5), (6, 9), (12, 20)], [(3, 7), (13, 14)]) == [(12, 20)]
    text = 'Use <a href="x.html">it</a> and `git log` now.'
    spans = [text[span.begin : span.end] for span in find_spans(text)]
    assert spans == ['<a href="x.html">', "</a>", "`git log`"]


def test_units_belong_to_placeholders() -> None:
    text = "It took %.3fs for %1$dMB and {n}px, ``a `b` c``, ⌘+Q."
    spans = [text[span.begin : span.end] for span in find_spans(text)]
    assert spans == ["%.3fs", "%1$dMB", "{n}px", "``a `b` c``", "⌘+Q"]


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("The class text-amber-700 is orange.", ["text-amber-700"]),
        ("Use dark:text-amber-300 there.", ["dark:text-amber-300"]),
        ("See packages/web for it.", ["packages/web"]),
        ("Send it as application/json, please.", ["application/json"]),
        ("The field spec.containers[0].image is new.", ["spec.containers[0].image"]),
        ("Mit Strg-C kann man es beenden.", ["Strg-C"]),
        ("He buys audio/video devices and/or films.", []),
        ("A well-known, state-of-the-art E-Mail.", []),
    ],
)
def test_words_of_code_are_found(text: str, due: list[str]) -> None:
    assert [text[span.begin : span.end] for span in find_spans(text)] == due
