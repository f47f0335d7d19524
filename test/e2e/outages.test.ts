import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { alignColumns } from "../../src/cli/output.js";
import { connect, VerificationFailure, type VerifierClient } from "../../src/client/index.js";
import { type Running, serve } from "../../src/server/serve.js";
import { Issuer } from "../keys/remote/misbehaving.js";
import { certify, pki } from "../support/certificates.js";
import { IssuerKey } from "../support/issuer-key.js";
import { createMemoryLog } from "../support/log.js";
import { OwnTime } from "../support/own-time.js";

// The drill: issuers in every kind of trouble under a service that is asked all the while. It prints what it saw. `npm run
// drill` takes a minute; otherwise it is short.

const SECONDS = Number(process.env["DRILL"] ?? 5);
/** What a call may take by the service's configuration; its client would wait for much longer. */
const DEADLINE = 2000;
/** Milliseconds between two rounds of a realm's calls. */
const PAUSE = 400;
/** Seconds, as configured below: a fetch may take longer than a call. */
const [REFRESH_MAX, COOLDOWN, TIMEOUT] = [2, 2, 5];

const CLAIMS = { iss: "https://issuer.example", exp: 4_000_000_000 };
const now = new IssuerKey("now");
const next = new IssuerKey("next");
const spare = new IssuerKey("spare");
const thief = new IssuerKey("now");
const nobody = new IssuerKey("nobody's");
const leaked = new IssuerKey("leaked");

const SET = { keys: [now.jwk] };
const REST = { keys: [next.jwk, now.jwk] };

/** A trouble: what the issuer does, and what it publishes while it can. */
interface Trouble {
  readonly name: string;
  readonly mode: string;
  readonly document: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Requests that one fetch makes (default 1). */
  readonly requests?: number;
  /** The shortest time between two fetches in turn, in seconds (default: half of the longest pause). */
  readonly step?: number;
}

const silent = (mode: string, requests = 1): Trouble => ({ name: mode, mode, document: REST, requests });
const published = (name: string, document: unknown, headers = {}): Trouble => ({
  name,
  mode: "publish",
  document,
  headers,
});

const TROUBLES: readonly Trouble[] = [
  published("rotates", REST),
  // A second after what was good, half a second at least after what was not.
  { name: "flaps", mode: "flap", document: SET, step: 0.75 },
  ...[
    "500",
    "503",
    "404",
    "html",
    "html as json",
    "wrong type",
    "garbage",
    "empty",
    "no body",
    "half a body",
    "closes mid-way",
  ].map((mode) => silent(mode)),
  ...["closes at once", "no http", "silent", "drip", "huge", "304 to anything", "leads to a file"].map((mode) =>
    silent(mode),
  ),
  silent("circle", 4),
  { name: "elsewhere", mode: "elsewhere", document: SET, requests: 2 },
  published("duplicate kids", { keys: [now.jwk, spare.jwk, new IssuerKey("spare").jwk] }),
  published("private keys", { keys: [leaked.privateJwk, now.jwk] }),
  published("oct keys", { keys: [{ kty: "oct", kid: "oct", k: "c2VjcmV0".repeat(8) }, now.jwk] }),
  published("unknown kinds", { keys: [{ kty: "XYZ", kid: "x" }, null, 5, now.jwk] }),
  published("never changes", SET, { ETag: '"1"', "Cache-Control": "max-age=1" }),
];
const SECURE = "expired certificate";
const NAMES = [...TROUBLES.map(({ name }) => name), SECURE];
const pathOf = (name: string): string => `/${encodeURIComponent(name)}`;
const realmOf = (name: string): string => name.replaceAll(" ", "-");

/** What became of a realm's calls. */
interface Seen {
  readonly counts: Record<string, number>;
  slowest: number;
  fetches: number;
  allowed: number;
}

describe("the outage drill", function () {
  this.timeout(60_000 + SECONDS * 1000);
  const { authority, server } = pki();
  const seen = new Map<string, Seen>(NAMES.map((name) => [name, { counts: {}, slowest: 0, fetches: 0, allowed: 0 }]));
  const folder = mkdtempSync(join(tmpdir(), "outage-drill-"));
  let plain: Issuer;
  let secure: Issuer;
  let running: Running;
  let client: VerifierClient;
  // Service and callers are this one process: what the machine keeps from it is nobody's delay.
  const time = new OwnTime();

  /** Asks once. @returns `verified`, `rejected REASON`, or `no verdict REASON` */
  async function ask(name: string, token: string): Promise<string> {
    const began = time.now();
    try {
      const verdict = await client.verify({ realm: realmOf(name), token });
      return verdict.kind === "verified" ? "verified" : `rejected ${verdict.reason}`;
    } catch (error) {
      if (!(error instanceof VerificationFailure)) throw error;
      return `no verdict ${error.reason}`;
    } finally {
      const one = seen.get(name);
      if (one !== undefined) one.slowest = Math.max(one.slowest, time.now() - began);
    }
  }

  /** Asks until an answer comes; the test's own time-out ends it where none does. */
  async function until(name: string, token: string, want: string): Promise<void> {
    while ((await ask(name, token)) !== want) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  const tell = async (troubles: readonly Trouble[]): Promise<void> => {
    for (const { name, mode, document, headers = {} } of troubles) {
      await plain.be(mode, document, { headers, path: pathOf(name) });
    }
  };

  before(async () => {
    [plain, secure] = await Promise.all([Issuer.start(), Issuer.start({ tls: server })]);
    await tell(TROUBLES.map((trouble) => ({ ...trouble, mode: "publish", document: SET, headers: {} })));
    await secure.be("publish", SET);
    writeFileSync(join(folder, "ca.pem"), authority.cert);
    const common = `insecure: true, refreshMin: 1s, refreshMax: ${REFRESH_MAX}s, cooldown: ${COOLDOWN}s, timeout: ${TIMEOUT}s`;
    const realms = NAMES.map((name) => {
      const url = name === SECURE ? `${secure.url}", caFile: ./ca.pem` : `${plain.at(pathOf(name))}"`;
      return `  ${realmOf(name)}: { algorithms: [ES256], issuer: "https://issuer.example", audience: null, keys: [{ jwksUri: "${url}, ${common} }] }`;
    });
    const file = join(folder, "verifier.yaml");
    writeFileSync(
      file,
      `grpc: 127.0.0.1:0\ndrain: { delay: 0s, timeout: 1s }\nlimits: { request: ${DEADLINE / 1000}s }\nrealms:\n${realms.join("\n")}\n`,
    );
    running = await serve(file, undefined, { env: {}, clock: Date.now, log: createMemoryLog().log });
    client = connect(running.addresses["grpc"] ?? "", { deadlineMs: 30_000 });
    await Promise.all(NAMES.map((name) => until(name, now.token(CLAIMS), "verified")));
  });
  after(async () => {
    time.stop();
    client.close();
    await running.stop();
    await Promise.all([plain.close(), secure.close()]);
    rmSync(folder, { recursive: true });
  });

  it("through every trouble no good token is rejected, no bad one accepted, no issuer overrun, no call late", async () => {
    for (const one of seen.values()) one.slowest = 0;
    // The same host and port, with a certificate that has run out.
    const hour = 3_600_000;
    const expired = certify("server", {
      issuer: authority,
      names: [["IP", "127.0.0.1"]],
      from: Date.now() - 2 * hour,
      to: Date.now() - hour,
    });
    await secure.show(expired);
    await secure.be("publish", REST);
    await tell(TROUBLES);
    await Promise.all([plain.requests(), secure.connections()]);
    const began = Date.now();
    const end = began + SECONDS * 1000;
    let serial = 0;
    const load = async (name: string, index: number): Promise<void> => {
      // One after the other, as callers come: all at once they would wait for each other, and not for an issuer.
      await new Promise((resolve) => setTimeout(resolve, (index * PAUSE) / NAMES.length));
      const { counts } = seen.get(name) ?? expect.fail(name);
      const count = (kind: string, answer: string): void => {
        counts[`${kind}: ${answer}`] = (counts[`${kind}: ${answer}`] ?? 0) + 1;
      };
      // Twice at least, should the machine stand still for all that time.
      for (let round = 0; round < 2 || Date.now() < end; round++) {
        const claims = { ...CLAIMS, jti: String(serial++) };
        const cached = now.token(CLAIMS);
        const asked = [
          ask(name, cached).then((answer) => count("good", answer)),
          ask(name, now.token(claims)).then((answer) => count("good", answer)),
          ask(name, now.token(claims, { kid: undefined })).then((answer) => count("without kid", answer)),
          ask(name, thief.token(claims)).then((answer) => count("bad", answer)),
          ask(name, leaked.token(claims)).then((answer) => count("bad", answer)),
          ask(name, nobody.token(claims, { kid: `random ${serial}` })).then((answer) => count("bad", answer)),
          ask(name, nobody.token(claims, { kid: undefined })).then((answer) => count("bad", answer)),
        ];
        await Promise.all([...asked, new Promise((resolve) => setTimeout(resolve, PAUSE))]);
      }
    };
    await Promise.all(NAMES.map(load));
    const lasted = (Date.now() - began) / 1000;
    const requests = (await plain.requests()).map((path) => decodeURIComponent(path.slice(1)));
    // Nothing can be asked over TLS with such a certificate: what comes of a fetch there is a connection.
    const { connections, requests: inside } = await secure.counts();
    expect(inside).to.deep.equal([]);
    const tally = (name: string, fetches: number, step = REFRESH_MAX / 2): void => {
      // In turn: a pause after a failure is shortened to the half at most. Out of turn: one in a cooldown.
      const allowed = 2 + Math.ceil(lasted / step) + 2 + Math.ceil(lasted / COOLDOWN);
      Object.assign(seen.get(name) ?? expect.fail(name), { fetches, allowed });
    };
    for (const { name, requests: each = 1, step } of TROUBLES) {
      tally(name, Math.ceil(requests.filter((path) => path === name).length / each), step);
    }
    tally(SECURE, connections);
    show(lasted);
    for (const [name, { counts, slowest, fetches, allowed }] of seen) {
      const said = JSON.stringify({ name, counts, slowest, fetches, allowed });
      const kinds = Object.keys(counts);
      expect(
        kinds.filter((kind) => kind.startsWith("good")),
        said,
      ).to.deep.equal(["good: verified"]);
      expect(
        kinds.filter((kind) => kind.startsWith("without kid") && kind.includes("rejected")),
        said,
      ).to.deep.equal([]);
      expect(
        kinds.filter((kind) => kind.startsWith("bad") && kind.includes("verified")),
        said,
      ).to.deep.equal([]);
      expect(fetches, said).to.be.within(1, allowed);
      expect(slowest, said).to.be.below(DEADLINE + 1000);
    }
  });

  it("once it is over, a new key verifies within the longest pause, and what is gone is unknown", async () => {
    await tell(
      TROUBLES.map((trouble) => ({ ...trouble, mode: "publish", document: { keys: [next.jwk] }, headers: {} })),
    );
    const names = TROUBLES.map(({ name }) => name);
    const began = time.now();
    await Promise.all(names.map((name) => until(name, next.token(CLAIMS), "verified")));
    expect(time.now() - began).to.be.below((TIMEOUT + REFRESH_MAX + COOLDOWN) * 1000 + 5000);
    // The set that has the new key came without the old one: that one was gone at once. Only where the new one had been
    // published beside it before, that it verifies does not say which set it is.
    const atOnce = TROUBLES.filter(({ mode, document }) => mode !== "publish" || document !== REST);
    const gone = await Promise.all(atOnce.map(async ({ name }) => [name, await ask(name, now.token(CLAIMS))] as const));
    expect(gone.filter(([, answer]) => answer === "verified")).to.deep.equal([]);
    await Promise.all(names.map((name) => until(name, now.token(CLAIMS), "rejected KEY_UNKNOWN")));
  });

  /** Prints what was seen. */
  function show(lasted: number): void {
    const rows = [...seen].map(([name, { counts, slowest, fetches, allowed }]) => {
      const sum = (kind: string, what = ""): number =>
        Object.entries(counts).reduce(
          (all, [key, count]) => (key.startsWith(kind) && key.includes(what) ? all + count : all),
          0,
        );
      const figures = [sum(""), sum("good"), sum("good", "rejected"), sum("bad"), sum("bad", "verified")].map(String);
      return [name, ...figures, `${fetches} of ${allowed}`, `${slowest.toFixed(0)} of ${DEADLINE}`];
    });
    const head = [
      "trouble",
      "calls",
      "good",
      "rejected",
      "bad",
      "accepted",
      "fetches, of allowed",
      "slowest ms, of deadline",
    ];
    process.stdout.write(
      `\n${[`The outage drill, ${lasted.toFixed(0)} s; milliseconds are those that this process had:`, ...alignColumns([head, ...rows])].join("\n")}\n`,
    );
  }
});
