import { readFileSync } from "node:fs";
import { expect } from "chai";
import { type Deployment, deploy } from "../support/deployment.js";
import { exchange, type HttpAnswer, valuesOf } from "../support/http.js";

// Answers of a real stack (Django 3.2, DRF 3.14 with the JSON renderer alone, SimpleJWT 5.2.2, PyJWT 2.6), compared
// with ours byte by byte. An exchange in which ours differs on purpose has our answer too, and the reason for it.

/** A text, or its pieces: texts, names of texts in the first line, and repetitions. */
type Text = string | Piece | readonly (string | Piece)[];
type Piece = { readonly text: string } | { readonly repeat: string; readonly times: number };

interface Answer {
  readonly status: number;
  readonly answer: Text;
}

interface Exchange extends Answer {
  readonly name: string;
  readonly method?: string;
  readonly target?: Text;
  /** Names and values as sent, in latin-1. */
  readonly headers: readonly (readonly [string, Text])[];
  readonly body?: Text;
  /** The recorded headers, if they are not those of an ordinary answer. */
  readonly responseHeaders?: Readonly<Record<string, string>>;
  /** The recorded length, for the answer to a HEAD request. */
  readonly contentLength?: number;
  readonly ours?: Answer;
  readonly why?: string;
}

interface Preamble {
  readonly texts: Readonly<Record<string, string>>;
  /** The reasons for which our answer may differ. */
  readonly why: Readonly<Record<string, string>>;
}

const [first = "", ...lines] = readFileSync(new URL("../cases/integuru-recorded.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n");
const { texts, why: REASONS } = JSON.parse(first) as Preamble;
const EXCHANGES = lines.map((line) => JSON.parse(line) as Exchange);

function plain(text: Text): string {
  if (typeof text === "string") return text;
  if (Array.isArray(text)) return (text as readonly (string | Piece)[]).map(plain).join("");
  const piece = text as Piece;
  return "text" in piece ? (texts[piece.text] ?? "") : piece.repeat.repeat(piece.times);
}

/** Methods for which the recorder announced a length, with or without a body. */
const WITH_BODY = new Set(["POST", "PUT", "PATCH"]);

function send(
  port: number,
  { method = "POST", target = "/api/verify-token", headers, body = "" }: Exchange,
): Promise<HttpAnswer> {
  const bytes = Buffer.from(plain(body), "latin1");
  return exchange(port, {
    method,
    target: plain(target),
    headers: headers.map(([name, value]) => [name, plain(value)]),
    body: bytes.length > 0 || WITH_BODY.has(method) ? bytes : undefined,
  });
}

/** The three headers that were recorded, for each status. */
function headersOf(status: number): Readonly<Record<string, string>> {
  return {
    "content-type": "application/json",
    ...(status !== 404 && { allow: "POST, OPTIONS" }),
    ...(status === 401 && { "www-authenticate": 'Bearer realm="api"' }),
  };
}

describe("POST /api/verify-token against a recorded stack", () => {
  let deployment: Deployment;
  before(async () => {
    deployment = await deploy("recorded.yaml");
  });
  after(() => deployment.close());

  for (const one of EXCHANGES) {
    const { status, answer } = one.ours ?? one;
    it(one.why === undefined ? one.name : `${one.name} (ours: ${one.why})`, async () => {
      const got = await send(deployment.inProcess, one);
      expect({ status: got.status, answer: got.body }).to.deep.equal({ status, answer: plain(answer) });
      const want = (one.ours === undefined && one.responseHeaders) || headersOf(status);
      for (const name of ["content-type", "allow", "www-authenticate"]) {
        expect(valuesOf(got, name), name).to.deep.equal(want[name] === undefined ? [] : [want[name]]);
      }
      if (one.contentLength !== undefined) {
        expect(valuesOf(got, "content-length")).to.deep.equal([String(one.contentLength)]);
      }
    });
  }

  it("our answer differs from the recorded one only for a listed reason, and does differ", () => {
    for (const { name, ours, why, status, answer } of EXCHANGES) {
      expect(why === undefined, name).to.equal(ours === undefined);
      if (ours === undefined) continue;
      expect(REASONS, name).to.have.property(why ?? "");
      expect([ours.status, plain(ours.answer)], name).not.to.deep.equal([status, plain(answer)]);
    }
  });

  it("our answer is never a 200 for a recorded error, except where the stack crashed or could not do it", () => {
    const laxer = EXCHANGES.filter(({ status, ours }) => ours?.status === 200 && status !== 200);
    for (const { name, why } of laxer) expect(["crash", "framework"], name).to.include(why);
  });
});
