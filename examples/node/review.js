// Streams a review, and prints each event and the decision. Written from protos/ alone.
//
//   node review.js [--server HOST:PORT] "An idea in a few sentences."
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { caller, reviewService } from "./contract.js";
import { describe } from "./errors.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { server: { type: "string", default: process.env.CONSENSUS_SERVER ?? "127.0.0.1:50051" } },
});
if (positionals.length !== 1) {
  console.error('usage: node review.js [--server HOST:PORT] "An idea in a few sentences."');
  process.exit(2);
}

const client = reviewService(values.server);

// A key of our own makes it safe to send the same request again after a failure.
const request = { review: { idea: positionals[0] }, idempotencyKey: randomUUID() };
const call = client.StreamReview(request, caller());

// A message brings all events that were ready; none when it is a heartbeat.
call.on("data", ({ events }) => {
  for (const event of events) console.log(`${event.sequence} ${event.payload} ${summary(event)}`.trimEnd());
});
call.on("error", (error) => {
  console.error(describe(error));
  process.exitCode = 1;
});
call.on("status", () => client.close());

function summary(event) {
  switch (event.payload) {
    case "runCreated":
      return event.runId;
    case "stepStarted":
    case "stepCompleted":
    case "stepSkipped":
    case "stepFailed":
      return event[event.payload].step;
    case "attemptFailed":
      return `${event.attemptFailed.step} ${event.attemptFailed.reason}`;
    case "proposalReady":
      return JSON.stringify(event.proposalReady.proposal.title);
    case "personaReviewReady": {
      const review = event.personaReviewReady.personaReview;
      return `${review.personaId} ${review.confidenceScore}`;
    }
    case "decisionReady": {
      const { label, overallWeightedConfidence, firedRules } = event.decisionReady.decision;
      const why = firedRules.map((rule) => `\n  - ${JSON.stringify(rule.explanation)}`).join("");
      return `${label.replace("DECISION_LABEL_", "")} ${overallWeightedConfidence}${why}`;
    }
    case "runFailed":
      return event.runFailed.failure.reason;
    default:
      return "";
  }
}
