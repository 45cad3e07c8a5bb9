"""The documents of tests/documents as the panel is shown them: numbered right, and whole."""

from pathlib import Path

import pytest

from consensus.v1 import document_pb2, run_pb2
from consensus_documents import detect_format, read_sections
from review_service.steps.documents import review_material

FOLDER = Path(__file__).resolve().parents[3] / "documents"
OUTLINES = {
    "addadat-almiyah.md": "1 1.1 1.1.1 1.2 1.2.1 1.2.2 1.2.3 1.3 1.4 1.4.1 1.4.2 1.5 1.6",
    "adr-secret-store.txt": "0 1 1.1 1.2 2 2.1 2.2 2.3 3 4 4.1 5",
    "cache-warming.md": "1 1.1 1.1.1 1.2 1.2.1 1.2.2 1.2.3 1.3 1.4 1.5 1.5.1 1.6",
    "digitale-bauakte.md": "1 1.1 1.1.1 1.2 1.2.1 1.2.2 1.2.3 1.3 1.4 1.5 1.6",
    "hinanjo-uketsuke.md": (
        "1 1.1 1.1.1 1.1.2 1.2 1.2.1 1.2.2 1.2.3 1.2.4 1.2.5 1.3 1.4 1.4.1 1.4.2 1.4.3 1.5 1.6"
    ),
    "units-in-recipes.rst": "1 1.1 1.2 1.2.1 1.3 1.3.1 1.3.2 1.3.2.1 1.3.3 1.4 1.5 1.6 1.7",
}


def document(name: str) -> document_pb2.Document:
    text = (FOLDER / name).read_text(encoding="utf-8")
    return document_pb2.Document(text=text, name=name, format=detect_format(text, name))


def test_every_document_has_an_outline() -> None:
    assert sorted(OUTLINES) == sorted(path.name for path in FOLDER.iterdir())


@pytest.mark.parametrize(("name", "outline"), OUTLINES.items(), ids=OUTLINES)
def test_sections_are_numbered_by_their_nesting(name: str, outline: str) -> None:
    held = document(name)

    assert 3_000 <= len(held.text) <= 15_000
    assert [each.number for each in read_sections(held.text, held.format)] == outline.split()


@pytest.mark.parametrize("name", OUTLINES)
def test_the_panel_is_shown_all_of_it_in_order(name: str) -> None:
    held = document(name)

    material = review_material(run_pb2.RunSpecification(document=held), None)

    place = 0
    for section in read_sections(held.text, held.format):
        heading = f"§ {section.number} {section.headings[-1] if section.headings else ''}".rstrip()
        place = material.message.index(heading, place)
        for line in section.text.splitlines():
            if section.headings and (section.headings[-1] in line or set(line) <= set("=-~")):
                continue  # the heading, and what is under it
            place = material.message.index(line, place)
