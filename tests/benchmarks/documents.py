"""Documents reviewed with the offline model: sections, time, and how particular the concerns are.

`make bench-documents`, with ARGS="FILE …" for other documents than the project's own.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from consensus.v1 import document_pb2, run_pb2
from consensus_client import ReviewClient
from consensus_documents import detect_format, find_quotation, read_sections
from tests.support.pair import running_pair
from tests.support.particular import particular_shares

OWN = Path(__file__).parents[1] / "documents"


def document_of(path: Path) -> document_pb2.Document:
    """What a caller sends of it."""
    text = path.read_text("utf-8")
    return document_pb2.Document(text=text, name=path.name, format=detect_format(text, path.name))


async def reviewed(client: ReviewClient, document: document_pb2.Document) -> run_pb2.Run:
    """Its run, whole."""
    run = await client.start_review(document)
    async for _ in client.watch_run(run.run_id):
        pass
    return await client.get_run(run.run_id)


async def measured(address: str, documents: dict[Path, document_pb2.Document]) -> Table:
    """A row for each document."""
    async with ReviewClient(address) as client:
        runs = {path: await reviewed(client, each) for path, each in documents.items()}
    concerns = {
        str(path): [concern.text for review in run.persona_reviews for concern in review.concerns]
        for path, run in runs.items()
    }
    particular = particular_shares(concerns)
    table = Table(
        "document", "characters", "sections", "seconds", "concerns", "particular", "quotations", "decision"
    )
    for path, run in runs.items():
        document = run.specification.document
        texts = {each.number: each.text for each in read_sections(document.text, document.format)}
        quoted = [q for review in run.persona_reviews for each in review.concerns for q in each.quotations]
        found = sum(bool(find_quotation(texts.get(each.section, ""), each.text)) for each in quoted)
        seconds = (run.finish_time.ToNanoseconds() - run.create_time.ToNanoseconds()) / 1e9
        table.add_row(
            path.name,
            f"{len(document.text):,}",
            str(len(texts)),
            f"{seconds:.2f}",
            str(len(concerns[str(path)])),
            f"{particular[str(path)]:.0%}",
            f"{found} of {len(quoted)}",
            f"{run_pb2.RunState.Name(run.state)[10:]} {run.decision.overall_weighted_confidence:.3f}",
        )
    return table


def main() -> None:
    """Prints the table."""
    paths = [Path(each) for each in sys.argv[1:]] or sorted(each for each in OWN.iterdir() if each.is_file())
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'consensus.db'}"
        with running_pair(Path(folder), url, review={"OPENAI_MODEL": "offline-rules"}) as pair:
            Console(width=140).print(
                asyncio.run(measured(pair.review_address, {path: document_of(path) for path in paths}))
            )


if __name__ == "__main__":
    main()
