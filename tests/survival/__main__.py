"""How many of the survival cases a bundle passes, by kind and direction:

python -m tests.survival [BUNDLE] [--kind KIND] [--failures]
"""

import argparse
from collections import defaultdict

from dragoman.translation.translator import Translator
from tests.survival.cases import Case, read_cases
from tests.survival.checking import find_faults


def translate_cases(translator: Translator, cases: list[Case]) -> list[str]:
    """The translation of each case."""
    by_direction: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, case in enumerate(cases):
        by_direction[case.source_language, case.target_language].append(number)
    outputs = [""] * len(cases)
    for (source_language, target_language), numbers in by_direction.items():
        texts = [cases[number].source for number in numbers]
        found = translator.translate(texts, target_language, source_language=source_language)
        for number, translation in zip(numbers, found, strict=True):
            outputs[number] = translation.text
    return outputs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.survival", description=__doc__)
    parser.add_argument("bundle", nargs="?", default="en-de", help="A bundle's folder or shipped name.")
    parser.add_argument("--kind", action="append", help="Only this kind; may be given several times.")
    parser.add_argument("--failures", action="store_true", help="List what fails.")
    arguments = parser.parse_args()
    cases = [case for case in read_cases() if not arguments.kind or case.kind in arguments.kind]
    translator = Translator.load(arguments.bundle)
    outputs = translate_cases(translator, cases)
    passed: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for case, output in zip(cases, outputs, strict=True):
        faults = find_faults(case, output)
        passed[case.kind, case.direction].append(not faults)
        if faults and arguments.failures:
            print(f"{case.kind} {case.direction}: {'; '.join(faults)}\n  {case.source!r}\n  {output!r}")
    directions = sorted({direction for _, direction in passed})
    print(f"\n{'kind':16}" + "".join(f"{direction:>18}" for direction in directions))
    for kind in sorted({kind for kind, _ in passed}):
        print(f"{kind:16}" + "".join(_cell(passed[kind, direction]) for direction in directions))
    every: dict[str, list[bool]] = defaultdict(list)
    for (_, direction), marks in passed.items():
        every[direction] += marks
    print(f"{'all':16}" + "".join(_cell(every[direction]) for direction in directions))


def _cell(marks: list[bool]) -> str:
    return f"{sum(marks):6} of {len(marks):3} {sum(marks) / len(marks):4.0%}".rjust(18) if marks else " " * 18


if __name__ == "__main__":
    main()
