"""A short run of the fuzzing of the report in a browser, which notices each kind of fault."""

import pytest

from fuzz.targets import seeds

pytest.importorskip("plotly", reason="plotly is not here")

from fuzz.browser import BROWSER, batch, faults, good_page

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")


def test_hostile_traces_make_no_fault_in_a_browser() -> None:
    assert batch(list(seeds("browser")), seed=1, pages=2) == []


PLANTED = {
    '<img src="x" onerror="parent.HIT.push(1)">': "text of a trace has run: 1",
    '<a href="javascript:1">x</a>': "creates <div a href=javascript:1>",
    '<svg><text><tspan style="fill:red">PAID</tspan></text></svg>': "creates <text tspan style>",
    "<script>throw Error('planted')</script>": "planted",
    '<img src="https://img.example/x.png">': "img.example",
    '<img src="local.png">': "local.png",
}


def planted(plant: str) -> str:
    return good_page().replace("<body>", f"<body><div>{plant}</div>")


@pytest.mark.slow
def test_each_kind_of_planted_fault_is_noticed() -> None:
    found = faults([planted(plant) for plant in PLANTED])
    for plant, fault in PLANTED.items():
        assert any(fault in line for line in found), (plant, found)
