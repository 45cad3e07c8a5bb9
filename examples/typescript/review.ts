// Reviews an idea and follows its run to the decision, whatever becomes of the connection.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { DecisionLabel } from "./gen/consensus/v1/decision_pb.js";
import { ReviewService } from "./gen/consensus/v1/review_service_pb.js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";

const { CONSENSUS_SERVER: server = "127.0.0.1:50051", CONSENSUS_KEY: key, CONSENSUS_TLS_CA: authority } = process.env;

// What outlives a connection. A key of our own makes it safe to send the same request again.
const request = {
  review: { subject: { case: "idea" as const, value: process.argv[2] } },
  idempotencyKey: randomUUID(),
};
let runId = "";
let last = 0; // the sequence of the last event that arrived
let silence = 0; // milliseconds after which a stream that says nothing is dead

const authorize: Interceptor = (next) => (call) => {
  if (key) call.header.set("authorization", `Bearer ${key}`);
  return next(call);
};

// Starts the run, unless that is done, and prints its events to the end. The connection is its own: the one
// before may be the fault.
async function follow(): Promise<void> {
  const baseUrl = `${authority ? "https" : "http"}://${server}`;
  const nodeOptions = authority ? { ca: readFileSync(authority) } : {};
  const sessionManager = new Http2SessionManager(baseUrl, {}, nodeOptions);
  const transport = createGrpcTransport({ baseUrl, interceptors: [authorize], sessionManager });
  const client = createClient(ReviewService, transport);
  const dead = new AbortController();
  let watchdog: NodeJS.Timeout | undefined;
  try {
    if (!runId) {
      const { limits } = await client.getServiceInfo({}, { timeoutMs: 10_000 });
      silence = 2 * durationMs(limits!.heartbeatInterval!);
      runId = (await client.startReview(request, { timeoutMs: 10_000 })).run!.runId;
    }
    watchdog = setTimeout(() => dead.abort(), silence);
    const stream = client.watchRun({ runId, afterSequence: last }, { signal: dead.signal });
    for await (const { events } of stream) {
      watchdog.refresh();
      for (const { sequence, payload } of events) { // none in a heartbeat
        last = sequence;
        if (payload.case === "decisionReady") {
          const { label, overallWeightedConfidence } = payload.value.decision!;
          console.log(sequence, payload.case, DecisionLabel[label], overallWeightedConfidence);
        } else {
          console.log(sequence, payload.case ?? "");
        }
      }
    }
  } finally {
    clearTimeout(watchdog);
    sessionManager.abort(); // leaving the loop alone would end neither the call nor its connection
  }
}

// Prints an error; returns after how many milliseconds the call may be made again, if ever, by the rule at the
// head of errors.proto: what is not the service's word was the connection's, whatever its code.
function explain(error: ConnectError, failures: number): number | undefined {
  console.error(`${Code[error.code]}: ${error.rawMessage}`);
  let spoken = false;
  for (const { reason, domain, metadata } of error.findDetails(ErrorInfoSchema)) {
    console.error(" ", reason, metadata);
    spoken ||= domain === "consensus.v1" && reason !== "CALL_DEADLINE_EXCEEDED";
  }
  for (const { fieldViolations } of error.findDetails(BadRequestSchema)) {
    for (const { field, description } of fieldViolations) console.error(`  ${field}: ${description}`);
  }
  const [retry] = error.findDetails(RetryInfoSchema);
  if (retry?.retryDelay) return durationMs(retry.retryDelay);
  return spoken ? undefined : 100 * 2 ** failures;
}

for (let failures = 1; ; failures++) {
  const before = last;
  try {
    await follow();
    break;
  } catch (error) {
    if (last > before) failures = 1;
    const wait = explain(ConnectError.from(error), failures);
    if (wait === undefined || failures === 8) process.exit(1);
    console.error(`again after event ${last}, in ${wait} ms`);
    await sleep(wait);
  }
}
