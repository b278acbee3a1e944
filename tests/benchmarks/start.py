"""From the start of a process to its first translation with the shipped model; and what importing torch takes alone."""

import subprocess
import sys
import time

from tests.benchmarks.bench import Bench
from tests.benchmarks.measuring import Measurement, alternate

DRAGOMAN = """
import dragoman
text = dragoman.Translator.load({bundle!r}).translate("Good morning.", "de")[0].text
"""
CTRANSLATE2 = """
import ctranslate2, sentencepiece
pieces = sentencepiece.SentencePieceProcessor(model_file={model!r} + "/vocabulary.model")
translator = ctranslate2.Translator({model!r}, compute_type="int8")
source = ["<2de>", *pieces.encode("Good morning.", out_type=str)]
text = pieces.decode(translator.translate_batch([source], beam_size=4)[0].hypotheses[0])
"""
CHECK = """
import sys
assert text.startswith("Guten Morgen"), text
print("torch" in sys.modules)
"""


def run(bench: Bench) -> list[Measurement]:
    bundle = bench.inputs.bundled
    dragoman = DRAGOMAN.format(bundle=str(bundle))
    ctranslate2 = CTRANSLATE2.format(model=str(bench.inputs.ctranslate2(bundle)))
    values = alternate(bench.num_rounds, lambda: _seconds(dragoman + CHECK), lambda: _seconds(ctranslate2 + CHECK))
    import_torch = tuple(_seconds("import torch") for _ in range(bench.num_rounds))
    details = {"dragoman imports torch": _output(dragoman + CHECK).strip() == "True"}
    return [
        Measurement("start", "process to first translation", "s", *values, goal="< 1 s beyond torch", details=details),
        Measurement("start", "import torch alone", "s", import_torch),
    ]


def _seconds(code: str) -> float:
    started = time.perf_counter()
    _output(code)
    return time.perf_counter() - started


def _output(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
