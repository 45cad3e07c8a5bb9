"""`human-review`: what people say of a run beside its panel."""

from typing import Annotated

import typer

from consensus.v1 import human_review_pb2, panel_pb2
from consensus_cli.arguments import options
from consensus_cli.execution import run_names
from consensus_cli.execution.printing import say, say_json
from consensus_cli.execution.session import PERSISTENCE, CommandSession
from consensus_cli.view import people as view
from consensus_client import DecisionClient
from consensus_report import text
from consensus_report.people import person

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


def _repeated(what: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        metavar="TEXT", help=f"{what} May be repeated.", show_default=False
    )
    return option


Texts = list[str] | None


@app.command()
def submit(
    run_id: run_names.RunId,
    score: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="0..1", help="How sure it should go ahead.", show_default=False),
    ],
    strength: Annotated[Texts, _repeated("What speaks for it.")] = None,
    concern: Annotated[Texts, _repeated("What is to be worried about.")] = None,
    blocking: Annotated[Texts, _repeated("What must be resolved first.")] = None,
    security: Annotated[Texts, _repeated("What must, since it endangers security.")] = None,
    recommend: Annotated[Texts, _repeated("What is advised.")] = None,
    user: Annotated[str, typer.Option(metavar="ID", help="Who reviews.", show_default=False)] = "",
    idempotency_key: options.Key = None,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Say what a person makes of a decided run, beside its panel.

    Whether it counts is for the run's policy to say (human_weight). A later one by
    the same person takes the place of the earlier.
    """
    review = human_review_pb2.HumanReview(
        run_id=run_id,
        confidence_score=score,
        strengths=strength or (),
        concerns=[panel_pb2.Concern(text=each) for each in concern or ()],
        blocking_issues=[
            *(panel_pb2.BlockingIssue(text=each) for each in blocking or ()),
            *(panel_pb2.BlockingIssue(text=each, security_critical=True) for each in security or ()),
        ],
        recommendations=recommend or (),
        user=user,
    )

    async def write(client: DecisionClient) -> None:
        recorded = await client.submit_human_review(review, idempotency_key=idempotency_key)
        if json:
            say_json(recorded)
        else:
            say(f"submitted {text.score(score)} by {person(recorded)} for {run_id}")

    CommandSession(persistence, PERSISTENCE).run_with(DecisionClient, write)


@app.command("list")
def list_human_reviews(
    run_id: Annotated[
        str, typer.Argument(metavar="[RUN]", callback=run_names.resolve, help="Of this run.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print each as a line of protobuf JSON.")] = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """List people's reviews, newest first, those that others replaced too."""

    async def read(client: DecisionClient) -> None:
        found = [review async for review in client.list_human_reviews(run_id)]
        if json:
            for each in found:
                say_json(each)
        else:
            say(*view.human_review_lines(found) if found else ["no reviews by people"])

    CommandSession(persistence, PERSISTENCE).run_with(DecisionClient, read)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="human-review", help="Submit and list what people say beside a panel.")
