import { status } from "@grpc/grpc-js";
import { expect } from "chai";
import { ErrorInfo, RetryInfo } from "../../../gen/google/rpc/error_details.js";
import { Status } from "../../../gen/google/rpc/status.js";
import { decodeBatch, decodeVerdict, type Item, type Message } from "../../support/grpc.js";
import type { Expected, Row } from "./rows.js";

// What a client saw of a call, and its comparison with the table.

/** Headers by name; the values of `-bin` headers in base64. */
export type Headers = Readonly<Record<string, readonly string[]>>;

/** What a client saw of one call. */
export interface Seen {
  /** Number of the status; undefined if there was none. */
  readonly code: number | undefined;
  readonly message: string;
  readonly headers: Headers;
  readonly trailers: Headers;
  /** The answer's messages. */
  readonly answer: readonly Buffer[];
  /** Seen on the wire alone. */
  readonly wire?: {
    readonly http: number;
    readonly rst: string;
    readonly goaway: string | undefined;
    readonly trailersOnly: boolean;
    readonly frames: readonly string[] | undefined;
  };
}

const DETAILS = "grpc-status-details-bin";

/** The name of a status code, as the table has it. */
export function codeName(code: number | undefined): string {
  return code === undefined ? "none" : (status[code] ?? String(code));
}

/** What the table says about a call, of what a client saw: the same keys, so that both can be compared. */
export function compare(row: Row, expected: Expected, seen: Seen): void {
  expect(visible(row, expected, seen)).to.deep.equal(wanted(expected, seen));
}

/** The values that the table expects, with those that match a regular expression replaced by what was seen. */
function wanted(expected: Expected, seen: Seen): object {
  const { wire, message, headers, trailers } = seen;
  const { details, ...rest } = expected;
  return {
    ...rest,
    ...(expected.message === undefined ? {} : { message: matched(expected.message, message) }),
    ...(expected.headers === undefined ? {} : { headers: matchedHeaders(expected.headers, headers) }),
    ...(expected.trailers === undefined ? {} : { trailers: matchedHeaders(expected.trailers, trailers) }),
    ...(details === undefined ? {} : { details: details && { retry: undefined, cause: undefined, ...details } }),
    ...(wire === undefined ? WITHOUT_WIRE : {}),
  };
}

/** What no library shows. */
const WITHOUT_WIRE = {
  http: undefined,
  rst: undefined,
  goaway: undefined,
  trailersOnly: undefined,
  frames: undefined,
} as const;

function visible(row: Row, expected: Expected, seen: Seen): object {
  const { code, message, headers, trailers, answer, wire } = seen;
  const all: Record<keyof Expected, () => unknown> = {
    code: () => codeName(code),
    message: () => message,
    details: () => detailsOf(seen),
    answer: () => (answer.length === 0 ? null : answer.flatMap((one) => itemsOf(row, one))),
    headers: () => only(headers, expected.headers),
    trailers: () => only(trailers, expected.trailers),
    http: () => wire?.http,
    rst: () => wire?.rst,
    goaway: () => (wire === undefined ? undefined : (wire.goaway ?? null)),
    trailersOnly: () => wire?.trailersOnly,
    frames: () => wire?.frames,
  };
  const keys = Object.keys(expected) as (keyof Expected)[];
  const shown = Object.fromEntries(keys.map((key) => [key, all[key]()]));
  return wire === undefined ? { ...shown, ...WITHOUT_WIRE } : shown;
}

function matched(expected: string, seen: string): string {
  const [, pattern] = /^\/(.*)\/$/.exec(expected) ?? [];
  return pattern !== undefined && new RegExp(pattern).test(seen) ? seen : expected;
}

function matchedHeaders(expected: NonNullable<Expected["headers"]>, seen: Headers): object {
  return Object.fromEntries(
    Object.entries(expected).map(([name, value]) => [name, value === null ? null : matched(value, textOf(seen, name))]),
  );
}

const textOf = (headers: Headers, name: string): string => headers[name]?.join(", ") ?? "";

function only(headers: Headers, names: object | undefined): object {
  return Object.fromEntries(
    Object.keys(names ?? {}).map((name) => [name, headers[name] === undefined ? null : textOf(headers, name)]),
  );
}

/** The details of a status; its own code and message must be those of the call. */
function detailsOf({ code, message, trailers }: Seen): object | null {
  const [value] = trailers[DETAILS] ?? [];
  if (value === undefined) return null;
  const read = Status.decode(Buffer.from(value, "base64"));
  expect({ code: read.code, message: read.message }, "in the details").to.deep.equal({ code, message });
  const find = (type: string): Buffer | undefined => {
    const found = read.details.find(({ typeUrl }) => typeUrl === `type.googleapis.com/google.rpc.${type}`);
    return found && Buffer.from(found.value);
  };
  const [info, retry] = [find("ErrorInfo"), find("RetryInfo")];
  const { reason, domain, metadata } = ErrorInfo.decode(info ?? Buffer.alloc(0));
  expect(domain, "domain").to.equal("tokenverifier.v1");
  const delay = retry && RetryInfo.decode(retry).retryDelay;
  return { reason, cause: metadata["cause"], retry: delay && Number(delay.seconds) + delay.nanos / 1e9 };
}

function itemsOf({ method }: Row, bytes: Buffer): readonly string[] {
  if (method === "BatchVerifyTokens") return decodeBatch(bytes).map(itemName);
  return [itemName({ verdict: decodeVerdict(bytes) })];
}

function itemName(item: Item): string {
  if ("error" in item) return item.error.reason ?? "an error";
  const [kind = "none"] = Object.keys(item.verdict).filter((key) => key === "verified" || key === "rejected");
  const { token } = (item.verdict[kind] ?? {}) as { token?: Message };
  if (kind === "verified") expect(token).to.have.property("subject", "jane");
  return kind;
}
