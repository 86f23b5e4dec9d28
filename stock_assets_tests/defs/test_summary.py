"""The asset `summary`: by hand only, never without a narrative, one PDF with what the UI shows of it."""

import io
from collections.abc import Iterator

import dagster as dg
import pypdf
import pytest

from stock_assets_tests.defs.graph import SESSION, Graph, failures, materialised, metadata

TEXT = "The share **fell**, and nobody knows why."


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """A graph on which everything was made, and no summary yet."""
    folder = tmp_path_factory.mktemp("summary")
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        made = Graph(folder, instance)
        result = made.run("whole_graph_job")
        assert result.success, failures(result)
        assert "summary" not in materialised(result)
        yield made


@pytest.mark.parametrize("ops", [None, {"summary": {"narrative": " \n"}}], ids=["nothing given", "blank"])
def test_without_a_narrative_it_fails_and_says_what_to_type(graph, ops):
    result = graph.run("summary_job", ops=ops)
    assert not result.success
    message = failures(result)["summary"]
    assert f"TSLA {SESSION}: the summary has no narrative" in message
    assert 'ops: {summary: {config: {narrative: "' in message
    assert not graph.store.has("summary", "TSLA", SESSION)


def test_asked_for_along_with_everything_it_is_left_out(graph):
    """As in "Materialize all", which holds no narrative."""
    result = graph.run(["report", "summary"])
    assert result.success, failures(result)
    assert materialised(result) == {"report"}
    assert not graph.store.has("summary", "TSLA", SESSION)
    assert any("nothing is made" in line for line in graph.log("summary"))


def test_a_narrative_makes_one_pdf_and_again_the_same(graph):
    checksums = set()
    for _ in range(2):
        result = graph.run("summary_job", ops={"summary": {"narrative": TEXT, "title": "A fall", "author": "Ada"}})
        assert result.success, failures(result)
        checksums.add(graph.store.checksum("summary", "TSLA", SESSION))
    assert len(checksums) == 1
    files = graph.store.read("summary", "TSLA", SESSION)
    assert files.keys() == {".pdf"}
    reader = pypdf.PdfReader(io.BytesIO(files[".pdf"]))
    text = " ".join(reader.pages[0].extract_text().split())
    assert "A fall" in text
    assert "The share fell, and nobody knows why." in text
    told = metadata(result, "summary")
    assert told["pages"].value == len(reader.pages)
    assert told["verdict"].value == graph.snapshot().document("evaluation")["verdict"]["text"]
    assert told["path"].value.endswith(f"summary/TSLA/{SESSION}.pdf")
    assert told["source"].value == "canned"


def test_before_anything_else_is_there_it_says_what_to_materialise(make_graph):
    message = failures(make_graph().run("summary_job", ops={"summary": {"narrative": TEXT}}))["summary"]
    assert f"TSLA {SESSION}: " in message
    assert "materialise" in message
