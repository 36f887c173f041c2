"""Both pages as HTML: rows as long as their heads, words of others as text, nothing where there is nothing."""

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from sunflow.report.definitions import COLUMNS
from sunflow.report.evaluation_page import render_evaluation
from sunflow.report.page import render
from sunflow.report.rows import Row

HOSTILE = '<img src=x onerror="alert(1)">'
NOTHING = pd.DataFrame()
VERDICTS = pd.DataFrame(
    {
        "crystal_id": ["0"],
        "status": ["failed"],
        "reason": ["not readable"],
        "energy_above_hull": [None],
        "space_group": [None],
    }
).assign(**dict.fromkeys(("converged", "geometry_valid", "unique", "novel", "metastable", "stable", "sun")))
RECORD = dict.fromkeys((*COLUMNS, "sun_rate_low", "sun_rate_high", "hull_entries"))
RECORD |= {"task": "generation", "relaxer": "chgnet", "hull": "dataset"}
RATES = ("structural", "structural_with_images", "compositional_cdvae", "compositional_smact_default", "valid")


def validity(*names):
    row = {"num_requested": 10, "protocol": "of all requested crystals"}
    for name in RATES:
        row |= {name: 0.8, f"{name}_low": 0.5, f"{name}_high": 0.9}
    paper = {"generator": f"{HOSTILE} (published)", "structural": 1.0, "protocol": f"by {HOSTILE}"}
    return pd.DataFrame([*({"generator": name, **row} for name in names), paper])


def coverage(*names):
    row = {"num_requested": 10, "num_reference": 20, "recall": 0.5, "amsd_recall": 0.25, "protocol": "cutoffs"}
    return pd.DataFrame([{"generator": name, **row} for name in names])


def distributions(*names):
    row = {"property": "density", "distance": 0.5, "low": 0.4, "high": 0.6, "num_generated": 8, "num_reference": 20}
    told = ("all crystals; bootstrap", "all valid crystals, which are no more than 1000")
    return pd.DataFrame(
        [{"generator": name, **row, "definition": "Distance", "protocol": how} for name in names for how in told]
    )


class Tables(HTMLParser):
    """How many cells each row of each table has, and which tags are open at the end."""

    VOID = ("meta", "link", "br", "input", "img")

    def __init__(self, page):
        super().__init__()
        self.tables, self.open = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append(0)
        elif tag in ("td", "th"):
            self.tables[-1][-1] += int(dict(attributes).get("colspan", 1))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another tag"


def check(page):
    """Well-formed, with rows as long as their heads, and without what is not a number."""
    parsed = Tables(page)
    assert not parsed.open
    assert all(len(set(rows)) == 1 for rows in parsed.tables), parsed.tables
    words = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert not re.search(r"\b(nan|None(?! of)|inf|NaT)\b", words)
    assert "<img" not in page
    return words


def evaluation(name="mine", *, tables=None, novelty=None, accounting=None, provenance=None):
    known = tables or (validity(name, "reference"), coverage(name, "reference"), distributions(name, "reference"))
    given = pd.DataFrame({"status": ["ok"] * 10, "reason": [""] * 10}) if accounting is None else accounting
    return render_evaluation(name, "the test split of mp20", *known, novelty, given, provenance or {})


def report(tables, properties=None, match_rate=None):
    rows = [Row({**RECORD, "generator": name}, VERDICTS, [], name, "#e0a000") for name in ("crysbfn", "reference")]
    measures = {"control_mean_error": {"num": 0}, "left_out_mean_error": {"num": 0, "value": None, "low": None}}
    curve = pd.DataFrame([{"threshold": 0.0, "sun_rate": 0.0, "sun_rate_low": 0.0, "sun_rate_high": 0.8}])
    return render(
        "demo",
        rows,
        stable=0.0,
        metastable=0.1,
        curves={},
        trajectories=[],
        qualities={"chgnet": measures},
        validity=tables[0],
        coverage=tables[1],
        distributions=tables[2],
        match_rate=match_rate,
        properties=properties or {},
        sun_curves=[curve, curve],
        summary=NOTHING,
        provenance={},
    )


FULL = tuple(make("crysbfn", "reference") for make in (validity, coverage, distributions))
EMPTY = (NOTHING, NOTHING, NOTHING)


@pytest.mark.parametrize("tables", [FULL, EMPTY], ids=["full", "empty"])
def test_the_report_has_the_tables_of_metrics(tables):
    words = check(report(tables))
    for title in ("Validity", "Coverage", "Distances of distributions: all crystals", "S.U.N. against the threshold"):
        assert title in words
    assert words.count("There is nothing to show") == (0 if tables is FULL else 4)


def test_the_report_draws_properties_and_names_their_curves():
    measures = pd.DataFrame({"density": [1.0, 2.0], "volume_per_atom": [9.0, None], "num_elements": [1, 2]})
    page = report(FULL, {"crysbfn": measures, "reference": measures})
    check(page)
    assert re.findall(r'data-chart="(\w+)"', page) == ["density", "volume_per_atom", "num_elements"]


@pytest.mark.parametrize("tables", [None, EMPTY], ids=["full", "empty"])
def test_an_evaluation_is_one_small_page_without_scripts(tables):
    page = evaluation(tables=tables)
    check(page)
    assert len(page) < 100_000
    assert "<script" not in page
    assert not re.search(r"\s(src|href)=\"(https?:)?//(?!(doi|arxiv)\.org)", page)


def test_an_evaluation_says_what_is_valid_of_what_was_given():
    accounting = pd.DataFrame({"status": ["ok"] * 8 + ["failed"] * 2, "reason": [None] * 8 + ["line 3", "line 44"]})
    words = re.sub(r"\s+", " ", check(evaluation(accounting=accounting)))
    assert "8 of 10 crystals are valid mine , compared with the test split of mp20" in words
    assert "10 given = 8 ok + 2 failed" in words
    assert "line … 2" in words
    assert "not converged" not in words


def test_thousands_of_reasons_are_cut_short_and_still_counted():
    reasons = ["bad CIF " + "x" * number for number in range(1000)]
    words = check(evaluation(accounting=pd.DataFrame({"status": "failed", "reason": reasons})))
    assert words.count("bad CIF") == 20
    assert re.search(r"980 more reasons\s+980", words)


def test_an_evaluation_with_and_without_novelty():
    assert "Unique and novel" not in evaluation()
    row = {"num_requested": 10, "unique_rate": 0.7, "novel_rate": None}
    words = check(evaluation(novelty=pd.DataFrame([row])))
    assert "Unique and novel" in words
    assert "70.00\u202f%" in words


def test_published_and_control_rows_are_marked():
    page = evaluation()
    assert page.count('<tr class="reference">') == 4
    assert page.count('<tr class="published"') == page.count('<span class="tag">published</span>') == 1
    assert page.count("positive control") == 4


def test_words_of_others_are_text():
    accounting = pd.DataFrame({"status": ["failed"], "reason": [HOSTILE]})
    provenance = {"commit": {"hash": HOSTILE, "dirty": True}, "versions": {HOSTILE: HOSTILE}}
    check(evaluation(HOSTILE, accounting=accounting, provenance=provenance))
    check(report(tuple(make("crysbfn", HOSTILE) for make in (validity, coverage, distributions))))


def test_an_evaluation_tells_what_made_it():
    provenance = {
        "commit": {"hash": "abc123", "dirty": False},
        "versions": {"pymatgen": "2026.1"},
        "seeds": {"seed": 0},
    }
    words = check(evaluation(provenance=provenance))
    for told in ("abc123", "pymatgen 2026.1", "CDVAE", "SMACT", "matminer", "the test split of mp20"):
        assert told in words
