import { readdirSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { caseProof, proofMessage } from "./proofs.js";
import { makeToken, type Tampering, type TokenSpec } from "./token.js";
import { TEST_VENDORS } from "./vendors.js";

// The form of test/cases/*.yaml; test/cases/README.md explains how to write one.

const text = z.union([z.string(), z.strictObject({ repeat: z.string(), times: z.int() })]);
const object = z.record(z.string(), z.unknown());

const token = z.strictObject({
  /** The name, in the file's `tokens`, of the token that this one extends. */
  of: z.string().optional(),
  key: z.string().optional(),
  alg: z.string().optional(),
  header: object.optional(),
  headerText: z.string().optional(),
  claims: object.optional(),
  without: z.array(z.string()).optional(),
  withoutHeader: z.array(z.string()).optional(),
  payload: z.string().optional(),
  payloadHex: z.string().optional(),
  tamper: z.array(z.string()).optional(),
  /** The whole token, which replaces all other settings. */
  text: text.optional(),
  /** Makes the payload longer, so that the token has exactly this number of characters. */
  length: z.int().optional(),
  /** The token that must result. */
  compact: z.string().optional(),
});

const header = z.union([text, z.array(text), z.null()]);

const rest = z.strictObject({
  method: z.string().optional(),
  target: z.string().optional(),
  /** Added to the file's own; null removes a header, a list sends several. */
  headers: z.record(z.string(), header).optional(),
  body: text.optional(),
  bodyHex: z.string().optional(),
  /** The body as JSON, instead of `body`. */
  json: z.unknown().optional(),
  chunked: z.boolean().optional(),
});

const answer = z.strictObject({
  status: z.int(),
  body: z.string(),
  /** The headers besides those of every answer, null for a header that must be absent. */
  headers: z.record(z.string(), z.string().nullable()).optional(),
});

const caller = z.union([
  z.strictObject({ instance_secret_key: z.string() }),
  z.strictObject({
    client_credentials: z.strictObject({ client_id: z.string().optional(), client_secret: z.string().optional() }),
  }),
  z.null(),
]);

const ask = z.strictObject({
  realm: z.string().optional(),
  caller: caller.optional(),
  explain: z.boolean().optional(),
  proof: caseProof.optional(),
});

const expectation = z.union([
  z.strictObject({
    rejected: z.string(),
    claim: z.string().default(""),
    /** Whether the signature had verified before. Default: as for most rejections of this reason. */
    signed: z.boolean().optional(),
    hint: z.string().optional(),
    /** The whole message (default: any). */
    message: z.string().optional(),
    checks: z.array(object).optional(),
  }),
  z.strictObject({
    verified: z.strictObject({
      token: object.optional(),
      principal: object.nullable().optional(),
      evidence: object.optional(),
    }),
    checks: z.array(object).optional(),
  }),
  z.strictObject({ error: z.string(), retryAfter: z.number().optional(), cause: z.string().optional() }),
]);

const oneCase = z.strictObject({
  name: z.string(),
  /** Rows of test/cases/rows.yaml. */
  covers: z.array(z.string()).default([]),
  token: z.union([z.string(), token]).optional(),
  rest: rest.optional(),
  answer: z.union([z.string(), answer]).optional(),
  ask: ask.optional(),
  outcome: z.union([z.string(), expectation]).optional(),
  /** The trouble that the service is in, named in test/support/conditions.ts. */
  condition: z.string().optional(),
});

const file = z.strictObject({
  about: z.string(),
  /** The configuration: a file of test/support. */
  configuration: z.string().default("verifier.yaml"),
  /** The face whose rows `covers` names (default: the face of the file's name). */
  rows: z.string().optional(),
  rest: rest.optional(),
  ask: ask.optional(),
  answers: z.record(z.string(), answer).default({}),
  tokens: z.record(z.string(), token).default({}),
  cases: z.array(oneCase),
});

type RawToken = z.output<typeof token>;
type Rest = z.output<typeof rest>;

/** The expected answer over HTTP. */
export type ExpectedAnswer = z.output<typeof answer>;

/** The expected answer over gRPC. */
export type ExpectedOutcome = z.output<typeof expectation>;

/** A request over HTTP, ready to send. */
export interface RestRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer | undefined;
  readonly chunked: boolean;
}

/** One case with everything filled in. */
export interface Case {
  readonly file: string;
  readonly configuration: string;
  readonly name: string;
  readonly covers: readonly string[];
  readonly condition: string | undefined;
  /** The compact token; empty if the case has none. */
  readonly token: string;
  /** The payload as signed, if the token was made here. */
  readonly payload: string | undefined;
  /** The exact token that must result, if the case gives it. */
  readonly compact: string | undefined;
  readonly rest: { readonly request: RestRequest; readonly answer: ExpectedAnswer } | undefined;
  readonly grpc: { readonly request: Readonly<Record<string, unknown>>; readonly outcome: ExpectedOutcome } | undefined;
}

/** The prefixes that an id in rows.yaml may have. */
const CONTRACTS: ReadonlySet<string> = new Set(["everything", ...TEST_VENDORS.map((vendor) => vendor.name)]);

const FOLDER = new URL("../cases/", import.meta.url);

let all: readonly Case[] | undefined;

/** All cases, file by file, and the same objects at each call. */
export function readCases(): readonly Case[] {
  all ??= readdirSync(FOLDER)
    .filter((name) => name.endsWith(".yaml") && name !== "rows.yaml")
    .sort()
    .flatMap(readFile);
  return all;
}

/** The rows of the contract: the text of each by its id. */
export function readRows(): ReadonlyMap<string, string> {
  const rows = z.record(z.string(), z.string()).parse(parse(readFileSync(new URL("rows.yaml", FOLDER), "utf8")));
  return new Map(Object.entries(rows));
}

function readFile(name: string): Case[] {
  const parsed = file.safeParse(parse(readFileSync(new URL(name, FOLDER), "utf8"), { merge: true }));
  if (!parsed.success) throw new Error(`test/cases/${name}: ${z.prettifyError(parsed.error)}`);
  const stem = name.replace(/\.yaml$/, "");
  const { configuration, rows = stem, tokens, answers, cases, ...defaults } = parsed.data;
  const seen = new Set<string>();
  return cases.map((one) => {
    const fail = (what: string): never => {
      throw new Error(`test/cases/${name}: ${one.name}: ${what}`);
    };
    if (seen.has(one.name)) fail("the name is not unique");
    seen.add(one.name);
    const made =
      one.token === undefined ? { token: "", payload: undefined, compact: undefined } : build(one.token, tokens);
    const answer =
      typeof one.answer === "string" ? (answers[one.answer] ?? fail(`there is no answer ${one.answer}`)) : one.answer;
    const outcome = typeof one.outcome === "string" ? readOutcome(one.outcome) : one.outcome;
    if (answer === undefined && outcome === undefined) fail("expects nothing");
    const { realm = "", caller, explain, proof } = { ...defaults.ask, ...one.ask };
    return {
      file: stem,
      configuration,
      name: one.name,
      covers: one.covers.map((row) => (CONTRACTS.has(row.split(" ", 1)[0] ?? "") ? row : `${rows} ${row}`)),
      condition: one.condition,
      ...made,
      rest: answer && { request: restRequest(defaults.rest ?? {}, one.rest ?? {}, made.token), answer },
      grpc: outcome && {
        request: {
          realm,
          token: made.token,
          ...caller,
          ...(explain !== undefined && { explain }),
          ...(proof !== undefined && { proof: proofMessage(made.token, proof) }),
        },
        outcome,
      },
    };
  });
}

/** `rejected REASON claim`, with `unsigned` at its end or without; `error REASON`, `error REASON 60`, `error REASON cause` or `verified`. */
function readOutcome(short: string): ExpectedOutcome {
  const [kind, reason = "", rest = "", last = ""] = short.split(" ");
  if (kind === "verified" && reason === "") return { verified: {} };
  if (kind === "rejected") return { rejected: reason, claim: rest, ...(last === "unsigned" && { signed: false }) };
  if (kind === "error" && rest === "") return { error: reason };
  if (kind === "error") {
    return {
      error: reason,
      ...(/^\d/.test(rest) ? { retryAfter: Number(rest) } : { cause: `${rest} ${last}`.trim() }),
    };
  }
  throw new Error(`no form of an outcome: "${short}"`);
}

const plain = (value: z.output<typeof text>): string =>
  typeof value === "string" ? value : value.repeat.repeat(value.times);

function build(
  raw: string | RawToken,
  tokens: Readonly<Record<string, RawToken>>,
): Pick<Case, "token" | "payload" | "compact"> {
  const { text: literal, length, compact, ...spec } = flatten(typeof raw === "string" ? { of: raw } : raw, tokens);
  if (literal !== undefined) return { token: plain(literal), payload: undefined, compact };
  const made: TokenSpec = {
    key: spec.key ?? "",
    ...(spec.alg !== undefined && { alg: spec.alg }),
    header: dropped(spec.header, spec.withoutHeader),
    ...(spec.headerText !== undefined && { headerText: spec.headerText }),
    claims: dropped(spec.claims, spec.without),
    ...(spec.payload !== undefined && { payload: spec.payload }),
    ...(spec.payloadHex !== undefined && { payloadHex: spec.payloadHex }),
    tamper: (spec.tamper ?? []) as readonly Tampering[],
  };
  const payload = spec.payloadHex === undefined ? (made.payload ?? JSON.stringify(made.claims)) : undefined;
  if (length === undefined) return { token: makeToken(made), payload, compact };
  return lengthened({ ...made, payload: payload ?? "" }, length);
}

/** Pads the payload with white space until the token has a length, which is impossible for one length in four. */
function lengthened(
  spec: TokenSpec & { readonly payload: string },
  length: number,
): Pick<Case, "token" | "payload" | "compact"> {
  const nearly = Math.floor(((length - makeToken(spec).length) * 3) / 4);
  for (let spaces = Math.max(0, nearly - 3); ; spaces++) {
    const payload = spec.payload + " ".repeat(spaces);
    const token = makeToken({ ...spec, payload });
    if (token.length === length) return { token, payload, compact: undefined };
    if (token.length > length) break;
  }
  throw new Error(`no token has ${length} characters`);
}

function dropped(
  members: Readonly<Record<string, unknown>> = {},
  names: readonly string[] = [],
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([name]) => !names.includes(name)));
}

function flatten(raw: RawToken, tokens: Readonly<Record<string, RawToken>>): RawToken {
  if (raw.of === undefined) return raw;
  const base = tokens[raw.of];
  if (base === undefined) throw new Error(`there is no token ${raw.of}`);
  const { compact: _compact, ...under } = flatten(base, tokens);
  const isSame = Object.keys(raw).every((name) => name === "of" || name === "compact");
  return {
    ...under,
    ...(isSame && { compact: base.compact }),
    ...raw,
    header: { ...under.header, ...raw.header },
    claims: { ...under.claims, ...raw.claims },
  };
}

function restRequest(defaults: Rest, own: Rest, token: string): RestRequest {
  const fill = (value: string): string => value.replaceAll("{token}", () => token);
  const headers = Object.entries({ ...defaults.headers, ...own.headers }).flatMap(([name, value]) => {
    if (value === null) return [];
    return (Array.isArray(value) ? value : [value]).map((one) => [name, fill(plain(one))] as const);
  });
  return {
    method: own.method ?? defaults.method ?? "POST",
    target: own.target ?? defaults.target ?? "/",
    headers,
    body: bodyOf(own, token) ?? bodyOf(defaults, token),
    chunked: own.chunked ?? false,
  };
}

function bodyOf({ body, bodyHex, json }: Rest, token: string): Buffer | undefined {
  if (bodyHex !== undefined) return Buffer.from(bodyHex, "hex");
  if (body !== undefined) return Buffer.from(plain(body).replaceAll("{token}", () => token));
  if (json === undefined) return undefined;
  return Buffer.from(JSON.stringify(json, (_, value: unknown) => jsonValue(value, token)));
}

function jsonValue(value: unknown, token: string): unknown {
  const repeated = text.safeParse(value);
  return repeated.success ? plain(repeated.data).replaceAll("{token}", () => token) : value;
}
