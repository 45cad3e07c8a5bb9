"""The job on LangGraph with its PostgreSQL saver, in one process, as its documentation has it.

- A `StateGraph` of asynchronous nodes: expand, then five nodes at once by an edge each, then decide, which
  waits for all five. The reviews meet in the state through a reducer, as parallel writes to one key must.
- `AsyncPostgresSaver` on a pool of psycopg whose connections have `autocommit` and `dict_row`, which its
  documentation asks for, and `prepare_threshold=0`, as in its own `from_conn_string`. `setup()` makes the
  tables.
- The idempotency key is the `thread_id`. A key that was used before is not looked up first (`aget_state`):
  that is the caller's to do there, and would cost a read more.
- Durability is the default, "async": a checkpoint is written while the next step runs, and all are written
  when `ainvoke` returns. "sync" would wait before each step.
- The saver holds a lock of its own around each use of the pool (langchain-ai/langgraph issue 7259, open),
  so that more connections than a few do not help; there are enough of them all the same.
- No tracing, no retries, no cache: all off by default. The model is called by the SDK floor's own class.
"""

import operator
import sys
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from tests.benchmarks import job
from tests.benchmarks.floors import Sdk
from tests.benchmarks.loads import Jobs, obey
from tests.benchmarks.peers.starts import of_keys

_CONNECTIONS = 100


class Review(TypedDict):
    """What the graph keeps of a review, a channel each."""

    run_id: str
    idea: str
    proposal: dict[str, Any]
    reviews: Annotated[list[dict[str, Any]], operator.add]
    decision: dict[str, Any]


def build(model: Sdk) -> Any:
    """The graph, not yet compiled."""

    async def expand(state: Review) -> dict[str, Any]:
        return {"proposal": await model.expand(state["run_id"])}

    def asking(persona: str) -> Any:
        async def ask(state: Review) -> dict[str, Any]:
            review = await model.review(state["run_id"], persona)
            return {"reviews": [{"persona": persona, **review}]}

        return ask

    async def decide(state: Review) -> dict[str, Any]:
        return {"decision": job.decide([review["confidence_score"] for review in state["reviews"]])}

    graph = StateGraph(Review)
    graph.add_node("expand", expand)
    graph.add_node("decide", decide)
    graph.add_edge(START, "expand")
    for persona in job.PERSONA_MESSAGES:
        graph.add_node(persona, asking(persona))
        graph.add_edge("expand", persona)
    graph.add_edge(list(job.PERSONA_MESSAGES), "decide")
    graph.add_edge("decide", END)
    return graph


def main(model_url: str, database_url: str) -> None:
    async def make() -> Jobs:
        pool = AsyncConnectionPool(
            database_url, max_size=_CONNECTIONS, open=False,
            kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        )  # fmt: skip
        await pool.open()
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        graph = build(Sdk(model_url)).compile(checkpointer=saver)

        async def review(key: str) -> None:
            config = {"configurable": {"thread_id": key}}
            state = await graph.ainvoke({"run_id": key, "idea": job.IDEA, "reviews": []}, config)
            assert len(state["decision"]["scores"]) >= len(job.PERSONA_MESSAGES)

        return of_keys(review)

    obey(make)


if __name__ == "__main__":
    main(*sys.argv[1:3])
