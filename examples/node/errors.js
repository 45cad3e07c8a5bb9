// Reads what stands behind a failed call: google.rpc.Status in the trailing metadata.
import { errorTypes } from "./contract.js";

const Status = errorTypes.lookupType("google.rpc.Status");

// { code, message, details: [{ type: "google.rpc.ErrorInfo", … }] }; details of unknown types are left out.
export function richError(error) {
  const [raw] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!Buffer.isBuffer(raw)) return { code: error.code, message: error.details, details: [] };
  const status = Status.toObject(Status.decode(raw), { defaults: true });
  return { code: status.code, message: status.message, details: status.details.flatMap(unpack) };
}

function unpack({ type_url: url = "", typeUrl = url, value }) {
  const name = typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
  const type = errorTypes.lookup(name);
  return type ? [{ type: name, ...type.toObject(type.decode(value), { longs: Number }) }] : [];
}

// One line per fact, and the reason that a program would decide on.
export function describe(error) {
  const { message, details } = richError(error);
  const info = details.find((each) => each.type === "google.rpc.ErrorInfo");
  const bad = details.find((each) => each.type === "google.rpc.BadRequest");
  const retry = details.find((each) => each.type === "google.rpc.RetryInfo");
  const lines = [`error: ${message} [${info?.reason ?? error.code}]`];
  for (const [key, value] of Object.entries(info?.metadata ?? {})) lines.push(`  ${key}: ${value}`);
  for (const violation of bad?.fieldViolations ?? []) lines.push(`  ${violation.field}: ${violation.description}`);
  if (retry) lines.push(`  try again after ${retry.retryDelay?.seconds ?? 0} s`);
  return lines.join("\n");
}
