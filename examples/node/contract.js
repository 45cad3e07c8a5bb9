// The contract as it stands in protos/, and a client of it that behaves as protos/README.md says.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const PROTOS = process.env.CONSENSUS_PROTOS ?? fileURLToPath(new URL("../../protos", import.meta.url));

const definition = loader.loadSync("consensus/v1/review_service.proto", {
  includeDirs: [PROTOS],
  enums: String,
  longs: Number,
  defaults: true,
  oneofs: true,
});
const { ReviewService } = grpc.loadPackageDefinition(definition).consensus.v1;

// Over TLS where CONSENSUS_TLS_CA names the authority (PEM) of the server's certificate.
function credentials() {
  const authority = process.env.CONSENSUS_TLS_CA;
  return authority ? grpc.credentials.createSsl(readFileSync(authority)) : grpc.credentials.createInsecure();
}

export function reviewService(server) {
  return new ReviewService(server, credentials(), {
    // Which methods gRPC may call again by itself: those that only read.
    "grpc.service_config": readFileSync(join(PROTOS, "consensus/v1/service_config.json"), "utf8"),
    // A server that vanished without a word is noticed within half a minute.
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.keepalive_permit_without_calls": 1,
  });
}

// Who calls, where the services ask: the key or token that CONSENSUS_KEY holds.
export function caller() {
  const metadata = new grpc.Metadata();
  const key = process.env.CONSENSUS_KEY;
  if (key) metadata.set("authorization", `Bearer ${key}`);
  return metadata;
}

// The types that errors carry: google.rpc.Status and its details.
export const errorTypes = new protobuf.Root();
errorTypes.resolvePath = (_origin, target) => join(PROTOS, target);
errorTypes.loadSync(["google/rpc/status.proto", "google/rpc/error_details.proto"]);
