import { readFileSync } from "node:fs";
import { deflateSync, gzipSync } from "node:zlib";
import { parse } from "yaml";
import { z } from "zod";

// The form of rows.yaml, and the bytes that a row's messages stand for.

/** The clients of the table: four gRPC libraries, Node's HTTP/2 client, and frames written by hand. */
export const CLIENTS = ["grpc-js", "connect", "python", "go", "http2", "frames"] as const;
export type ClientName = (typeof CLIENTS)[number];

const GROUPS: Readonly<Record<string, readonly ClientName[]>> = {
  all: CLIENTS,
  libraries: ["grpc-js", "connect", "python", "go"],
  wire: ["http2", "frames"],
};

const client = z.enum(CLIENTS);
const values = z.union([z.string(), z.array(z.string())]);

const seen = z.strictObject({
  /** Name of the status; `none` if the client got none. */
  code: z.string().optional(),
  /** The status's message. A text in slashes, here and below, is a regular expression. */
  message: z.string().optional(),
  /** What grpc-status-details-bin says; null if it must be absent. */
  details: z
    .strictObject({
      reason: z.string(),
      cause: z.string().optional(),
      /** Seconds of the RetryInfo. */
      retry: z.number().optional(),
    })
    .nullish(),
  /** The items of the answer: verified, rejected, or the reason of an error; null if there must be none. */
  answer: z.array(z.string()).nullish(),
  /** Headers of the answer and of its trailers; null for one that must be absent. */
  headers: z.record(z.string(), z.string().nullable()).optional(),
  trailers: z.record(z.string(), z.string().nullable()).optional(),
  /** Of clients on the wire alone: the HTTP status, and the name of the code of RST_STREAM and of the last GOAWAY. */
  http: z.int().optional(),
  rst: z.string().optional(),
  goaway: z.string().nullish(),
  /** Whether the status came in the first and only block of headers. */
  trailersOnly: z.boolean().optional(),
  /** The types of the frames of the first call that hand-written frames get back. */
  frames: z.array(z.string()).optional(),
});
export type Expected = z.infer<typeof seen>;

const piece = z.strictObject({
  /** A message with this token; several pieces may follow each other. */
  token: z.string().optional(),
  /** The token's length in characters; it is padded. */
  length: z.int().optional(),
  /** The message's bytes, or with `raw` those of the body. */
  hex: z.string().optional(),
  raw: z.boolean().optional(),
  /** How the message is packed; its flag is then 1. */
  pack: z.enum(["gzip", "gzip twice", "gzip and zeros", "gzip cut", "gzip damaged", "deflate", "noise"]).optional(),
  /** The first byte of the message's head; 0, or 1 for a packed one. */
  flag: z.int().optional(),
  /** Added to the length in the message's head. */
  lengthOff: z.int().optional(),
});
export type Piece = z.infer<typeof piece>;

const wire = z.strictObject({
  /** Changes to the usual headers; null removes one. */
  headers: z.record(z.string(), values.nullable()).optional(),
  /** So many headers besides: `x-0`, `x-1` and so on. */
  fields: z.int().optional(),
  /** The body instead of the row's messages. */
  body: z.array(piece).optional(),
  /** Where the body is cut into DATA frames: every so many bytes, or at these offsets. */
  every: z.int().optional(),
  split: z.array(z.int()).optional(),
  /** Bytes of padding in each DATA frame. */
  padding: z.int().optional(),
  /** Sent before each DATA frame but the first. */
  between: z.array(z.enum(["ping", "settings", "window", "priority", "unknown", "empty"])).optional(),
  /** What ends the request: the last DATA frame, an empty one, the headers, trailers or nothing. */
  end: z.enum(["data", "empty", "headers", "trailers", "never"]).optional(),
  /** The name of the code of an RST_STREAM after the body. */
  reset: z.string().optional(),
  /** The client's SETTINGS_INITIAL_WINDOW_SIZE. */
  window: z.int().optional(),
});
export type WireSpec = z.infer<typeof wire>;

const row = z.strictObject({
  name: z.string(),
  server: z.string().optional(),
  clients: z.union([z.string(), z.array(z.string())]).optional(),
  /** A method of TokenVerifier, or a path. */
  method: z.string().optional(),
  /** The request's token, which says what the verifier does: see service.ts. */
  token: z.string().optional(),
  length: z.int().optional(),
  /** The tokens of a batch. */
  batch: z.array(z.string()).optional(),
  /** The request's bytes. */
  hex: z.string().optional(),
  /** The tokens of so many messages, as a streaming client sends them. */
  messages: z.array(z.string()).optional(),
  metadata: z.record(z.string(), values).optional(),
  /** grpc-timeout; libraries take a deadline of so long. */
  timeout: z.string().optional(),
  compression: z.enum(["gzip", "deflate", "snappy", "br"]).optional(),
  /** The content type's suffix, for libraries that let a caller choose it. */
  subtype: z.string().optional(),
  /** Cancels once the verifier was asked. */
  cancel: z.boolean().optional(),
  /** So many calls at once on one connection. */
  times: z.int().optional(),
  /** The tokens of further calls, one after the other, with what is seen of each. */
  next: z.array(z.strictObject({ token: z.string(), sees: seen })).optional(),
  wire: wire.optional(),
  sees: seen,
  /** What single clients see otherwise, added to `sees`. */
  but: z.partialRecord(client, seen).optional(),
  /** How often the verifier is asked; by default once for each token of a call that is OK. */
  asked: z.int().optional(),
  /** The names of the statuses that the service counts, in any order; by default those that the client sees. */
  counted: z.array(z.string()).optional(),
});
export type Row = z.infer<typeof row>;

const table = z.strictObject({
  servers: z.record(z.string(), z.record(z.string(), z.int())),
  rows: z.array(z.strictObject({ about: z.string(), rows: z.array(row) })),
});

/** The table: limits of each server, and the rows by what they are about. */
export const TABLE = table.parse(parse(readFileSync(new URL("./rows.yaml", import.meta.url), "utf8")));

/** The clients of a row. */
export function clientsOf({ clients = "all" }: Row): readonly ClientName[] {
  return [clients].flat().flatMap((name) => GROUPS[name] ?? [client.parse(name)]);
}

/** What a client sees of a row's first call. */
export function expectedOf({ sees, but }: Row, name: ClientName): Expected {
  return { ...sees, ...but?.[name] };
}

/** The path of a row's method. */
export function pathOf({ method = "VerifyToken" }: Row): string {
  return method.startsWith("/") ? method : `/tokenverifier.v1.TokenVerifier/${method}`;
}

function field(number: number, content: Buffer): Buffer {
  const length: number[] = [];
  let left = content.length;
  for (; left >= 128; left = Math.floor(left / 128)) length.push((left % 128) | 128);
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length, left]), content]);
}

/** A VerifyTokenRequest. @param length of the token, which is padded */
export function requestOf(token: string, length = 0): Buffer {
  const padded = length > token.length ? `${token}:`.padEnd(length, "abcdefghijklmnopqrstuvwxyz0123456789") : token;
  return Buffer.concat([field(1, Buffer.from("r")), field(2, Buffer.from(padded))]);
}

/** The messages that a row's clients send. */
export function messagesOf({ hex, batch, messages, token = "verified", length }: Row): readonly Buffer[] {
  if (hex !== undefined) return [Buffer.from(hex, "hex")];
  if (messages !== undefined) return messages.map((one) => requestOf(one));
  if (batch !== undefined) return [Buffer.concat(batch.map((one) => field(1, requestOf(one))))];
  return [requestOf(token, length)];
}

const PACKED: Readonly<Record<NonNullable<Piece["pack"]>, (bytes: Buffer) => Buffer>> = {
  gzip: (bytes) => gzipSync(bytes),
  "gzip twice": (bytes) => Buffer.concat([gzipSync(bytes.subarray(0, 3)), gzipSync(bytes.subarray(3))]),
  "gzip and zeros": (bytes) => Buffer.concat([gzipSync(bytes), Buffer.alloc(8)]),
  "gzip cut": (bytes) => gzipSync(bytes).subarray(0, -4),
  "gzip damaged": (bytes) => {
    const packed = gzipSync(bytes);
    packed[packed.length - 6] = (packed[packed.length - 6] ?? 0) ^ 0xff;
    return packed;
  },
  deflate: (bytes) => deflateSync(bytes),
  noise: (bytes) => bytes,
};

/** The bytes of a piece of a body, with the head of its message. */
export function bytesOf({ token = "verified", length, hex, raw, pack, flag, lengthOff = 0 }: Piece): Buffer {
  const plain = hex === undefined ? requestOf(token, length) : Buffer.from(hex, "hex");
  if (raw === true) return plain;
  const content = pack === undefined ? plain : PACKED[pack](plain);
  const head = Buffer.alloc(5);
  head[0] = flag ?? (pack === undefined ? 0 : 1);
  head.writeUInt32BE(content.length + lengthOff, 1);
  return Buffer.concat([head, content]);
}

/** The body that a client on the wire sends. */
export function bodyOf(row: Row): Buffer {
  const { wire: spec = {}, compression } = row;
  if (spec.body !== undefined) return Buffer.concat(spec.body.map(bytesOf));
  const pack = compression === "deflate" ? "deflate" : compression === "gzip" ? "gzip" : "noise";
  return Buffer.concat(
    messagesOf(row).map((message) =>
      bytesOf({ hex: message.toString("hex"), ...(compression === undefined ? {} : { pack }) }),
    ),
  );
}

const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** A grpc-timeout in milliseconds. */
export function millisOf(timeout: string): number {
  return Number(timeout.slice(0, -1)) * (UNITS[timeout.slice(-1)] ?? Number.NaN);
}
