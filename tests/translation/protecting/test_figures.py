"""Finding a figure in a translation."""

import pytest

from dragoman.translation.protecting.figures import count_figure


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        ("16:45", "às 16:45 amanhã"),
        ("16:45", "at 4:45 p.m."),
        ("4:45 p.m.", "às 16:45 amanhã"),
        ("4:45 p.m.", "um 4:45 p.m."),
        ("$1,250.50", "1.250,50 $"),
        ("$1,250.50", "$1,250.50"),
        ("1,250.50", "1250,50"),
        ("1,250.50", "1\u202f250,50"),
        ("1,234,567", "1.234.567"),
    ],
)
def test_a_figure_is_found_in_any_notation(figure: str, text: str) -> None:
    assert count_figure(figure, text) == 1


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        ("16:45", "às 16:45 p.m."),
        ("4:45 p.m.", "um 16:45 PM"),
        ("$1,250.50", "$1.250.50"),
        ("1,250.50", "1,250,50"),
        ("1,250.50", "1,250.5"),
        ("1,250.50", "12,50"),
    ],
)
def test_a_mixture_of_notations_is_another_figure(figure: str, text: str) -> None:
    assert count_figure(figure, text) == 0
