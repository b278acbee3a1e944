"""Files in the encodings that people have, declared or not."""

import json
from pathlib import Path

import pytest

from dragoman.training.intake.encodings import find_encoding, is_utf8
from dragoman.training.intake.request import Request
from dragoman.training.intake.sources import find_sources

EN = [
    "The house is big and old.",
    "Where is the nearest station?",
    "I would like a coffee, please.",
    "She has been learning German for two years.",
    "It is raining again today.",
]
OTHER = {
    "de": ["Das Haus ist groß und alt.", "Wo ist der nächste Bahnhof?", "Ich hätte gern einen Kaffee.",
           "Sie lernt seit zwei Jahren Deutsch.", "Es regnet schon wieder, schön."],
    "pl": ["Dom jest duży i stary, źdźbło.", "Gdzie jest najbliższa stacja?", "Poproszę kawę, jeśli można.",
           "Ona uczy się niemieckiego od dwóch lat.", "Dziś znowu pada śnieg."],
    "ru": ["Дом большой и старый.", "Где находится ближайшая станция?", "Я хотел бы кофе, пожалуйста.",
           "Она изучает немецкий уже два года.", "Сегодня опять идёт дождь."],
    "ja": ["その家は大きくて古いです。", "一番近い駅はどこですか。", "コーヒーをください。",
           "彼女は二年間ドイツ語を勉強しています。", "今日もまた雨が降っています。"],
    "zh": ["这座房子又大又旧。", "最近的车站在哪里？", "请给我一杯咖啡。", "她学德语已经两年了。", "今天又下雨了。"],
}  # fmt: skip

ENCODINGS = [("de", "cp1252"), ("de", "latin-1"), ("de", "mac_roman"), ("de", "cp850"), ("de", "utf-16-le"),
             ("de", "utf-16"), ("de", "utf-8-sig"), ("pl", "cp1250"), ("pl", "iso8859_2"), ("ru", "cp1251"),
             ("ru", "koi8_r"), ("ru", "utf-16-be"), ("ja", "cp932"), ("ja", "euc_jp"), ("zh", "gb18030"),
             ("zh", "utf-16-le")]  # fmt: skip


def read(path: Path, target: str) -> tuple[list[tuple[str, str]], list[str]]:
    """The pairs of a file, and the notes."""
    request = Request("en", target)
    return [pair for source in find_sources([path], request) for pair in source.read()], request.notes


@pytest.mark.parametrize(("target", "encoding"), ENCODINGS)
def test_a_table_in_any_usual_encoding(tmp_path: Path, target: str, encoding: str) -> None:
    path = tmp_path / "a.csv"
    rows = "en;xx\r\n" + "".join(f"{one};{other}\r\n" for one, other in zip(EN, OTHER[target], strict=True))
    path.write_bytes(rows.replace("xx", target).encode(encoding))
    pairs, notes = read(path, target)
    assert pairs == list(zip(EN, OTHER[target], strict=True))
    assert any("is not UTF-8: read as" in note for note in notes) == (not encoding.startswith("utf"))


@pytest.mark.parametrize(("target", "encoding"), ENCODINGS)
@pytest.mark.parametrize("declared", ["", "utf-8", "utf-16"])
def test_a_memory_whose_declaration_may_be_wrong(tmp_path: Path, target: str, encoding: str, declared: str) -> None:
    units = "".join(
        f'<tu><tuv xml:lang="en"><seg>{one}</seg></tuv><tuv xml:lang="{target}"><seg>{other}</seg></tuv></tu>'
        for one, other in zip(EN, OTHER[target], strict=True)
    )
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    (path := tmp_path / "a.tmx").write_bytes(f'{head}<tmx version="1.4"><body>{units}</body></tmx>'.encode(encoding))
    assert read(path, target)[0] == list(zip(EN, OTHER[target], strict=True))


def test_a_true_declaration_decides(tmp_path: Path) -> None:
    head = '<?xml version="1.0" encoding="{}"?>'
    unit = '<tmx><tu><tuv lang="en"><seg>Euro</seg></tuv><tuv lang="de"><seg>grün</seg></tuv></tu></tmx>'
    for number, name in enumerate(("iso-8859-15", "cp437", "mac-roman")):
        (path := tmp_path / f"{number}.tmx").write_bytes((head.format(name) + unit).encode(name))
        assert read(path, "de") == ([("Euro", "grün")], [])
    (path := tmp_path / "x.tmx").write_bytes((head.format("iso-8859-1") + unit).encode())
    assert read(path, "de")[0] == [("Euro", "grün")]


def test_a_few_damaged_characters_do_not_make_another_encoding(tmp_path: Path) -> None:
    rows = [f"{one}\t{other}".encode() for one, other in zip(EN, OTHER["de"], strict=True)]
    (path := tmp_path / "a.tsv").write_bytes(b"en\tde\n" + b"\n".join([*rows, b"broken\tkaputt \xff hier"]))
    pairs, _ = read(path, "de")
    assert pairs[0] == (EN[0], OTHER["de"][0])
    assert pairs[-1] == ("broken", "kaputt \ufffd hier")


def test_letters_that_come_late_decide(tmp_path: Path) -> None:
    rows = b"en;de\n" + b"plain;schlicht\n" * 100_000 + "big;groß\n".encode("cp1252")
    (path := tmp_path / "a.csv").write_bytes(rows)
    assert read(path, "de")[0][-1] == ("big", "groß")


def test_utf_8_cut_within_a_character_is_utf_8() -> None:
    text = "grün 😀".encode()
    assert all(is_utf8(text[:end]) for end in range(len(text) + 1))
    assert not is_utf8("grün".encode("latin-1"))
    assert find_encoding(b"", Request("en", "de")) == "utf-8"


PO = 'msgid ""\nmsgstr "Language: {}\\nContent-Type: text/plain; charset={}\\n"\n\nmsgid "Open the file"\nmsgstr "{}"\n'


@pytest.mark.parametrize(
    ("language", "charset", "encoding", "text"),
    [
        ("ru", "koi8-r", "koi8-r", "Открыть файл"),
        ("ru", "windows-1251", "utf-8", "Открыть файл"),
        ("de", "UTF-8", "latin-1", "Öffne die Datei"),
        ("de", "CHARSET", "utf-8-sig", "Öffne die Datei"),
        ("pl", "nonsense", "cp1250", "Otwórz plik, jeśli można"),
    ],
)
def test_a_catalogue_whose_charset_may_be_wrong(
    tmp_path: Path, language: str, charset: str, encoding: str, text: str
) -> None:
    (path := tmp_path / "a.po").write_bytes(PO.format(language, charset, text).encode(encoding))
    assert read(path, language)[0] == [("Open the file", text)]


def test_json_as_one_list(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    objects = [{"en": one, "de": other} for one, other in zip(EN, OTHER["de"], strict=True)]
    path.write_text(json.dumps(objects, indent=2), encoding="utf-8")
    assert read(path, "de")[0] == list(zip(EN, OTHER["de"], strict=True))
