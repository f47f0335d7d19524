import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type Running, serve } from "../../src/cli/serve/serve.js";
import { aligned } from "../../src/cli/text-table.js";
import { connect, VerificationFailure, type VerifierClient } from "../../src/client/index.js";
import { Issuer } from "../keys/network/misbehaving.js";
import { certify, pki } from "../support/certificates.js";
import { IssuerKey } from "../support/issuer-key.js";
import { createMemoryLog } from "../support/log.js";

// The drill: issuers in every kind of trouble under a service that is asked all the while. `npm run drill` takes a
// minute and prints what it saw; otherwise it is short and silent.

const SECONDS = Number(process.env["DRILL"] ?? 5);
const DEADLINE = 2000;
/** Seconds, as configured below: a fetch may take longer than a call. */
const [REFRESH_MAX, COOLDOWN, TIMEOUT] = [2, 2, 3];

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
  { name: "flaps", mode: "flap", document: SET },
  ...["500", "503", "404", "html", "html as json", "garbage", "empty", "no body", "half a body", "closes mid-way"].map(
    (mode) => silent(mode),
  ),
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
  requests: number;
}

describe("the outage drill", function () {
  this.timeout(60_000 + SECONDS * 1000);
  const { authority, server } = pki();
  const seen = new Map<string, Seen>(NAMES.map((name) => [name, { counts: {}, slowest: 0, requests: 0 }]));
  const folder = mkdtempSync(join(tmpdir(), "outage-drill-"));
  let plain: Issuer;
  let secure: Issuer;
  let running: Running;
  let client: VerifierClient;

  /** Asks once. @returns `verified`, `rejected REASON`, or `no verdict REASON` */
  async function ask(name: string, token: string): Promise<string> {
    const began = performance.now();
    try {
      const verdict = await client.verify({ realm: realmOf(name), token });
      return verdict.kind === "verified" ? "verified" : `rejected ${verdict.reason}`;
    } catch (error) {
      if (!(error instanceof VerificationFailure)) throw error;
      return `no verdict ${error.reason}`;
    } finally {
      const one = seen.get(name);
      if (one !== undefined) one.slowest = Math.max(one.slowest, performance.now() - began);
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
    writeFileSync(file, `grpc: 127.0.0.1:0\ndrain: { delay: 0s, timeout: 1s }\nrealms:\n${realms.join("\n")}\n`);
    running = await serve(file, undefined, { env: {}, clock: Date.now, log: createMemoryLog().log });
    client = connect(running.addresses["grpc"] ?? "", { deadlineMs: DEADLINE });
    await Promise.all(NAMES.map((name) => until(name, now.token(CLAIMS), "verified")));
  });
  after(async () => {
    client.close();
    await running.stop();
    await Promise.all([plain.close(), secure.close()]);
    rmSync(folder, { recursive: true });
  });

  it("through every trouble no good token is rejected, no bad one accepted, no issuer overrun, no call late", async () => {
    for (const one of seen.values()) one.slowest = 0;
    // The same host and port, with a certificate that has run out.
    const { port } = secure;
    await secure.close();
    const hour = 3_600_000;
    const expired = certify("server", {
      issuer: authority,
      names: [["IP", "127.0.0.1"]],
      from: Date.now() - 2 * hour,
      to: Date.now() - hour,
    });
    secure = await Issuer.start({ tls: expired, port });
    await secure.be("publish", REST);
    await tell(TROUBLES);
    await plain.requests();
    const began = Date.now();
    const end = began + SECONDS * 1000;
    let serial = 0;
    const load = async (name: string): Promise<void> => {
      const { counts } = seen.get(name) ?? expect.fail(name);
      const count = (kind: string, answer: string): void => {
        counts[`${kind}: ${answer}`] = (counts[`${kind}: ${answer}`] ?? 0) + 1;
      };
      while (Date.now() < end) {
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
        await Promise.all([...asked, new Promise((resolve) => setTimeout(resolve, 400))]);
      }
    };
    await Promise.all(NAMES.map(load));
    const lasted = (Date.now() - began) / 1000;
    const requests = (await plain.requests()).map((path) => decodeURIComponent(path.slice(1)));
    for (const { name, requests: each = 1 } of TROUBLES) {
      const one = seen.get(name) ?? expect.fail(name);
      one.requests = Math.ceil(requests.filter((path) => path === name).length / each);
    }
    (seen.get(SECURE) ?? expect.fail(SECURE)).requests = 0;
    if (process.env["DRILL"] !== undefined) show(lasted);
    for (const [name, { counts, slowest, requests: made }] of seen) {
      const said = JSON.stringify({ name, counts, slowest, made });
      const kinds = Object.keys(counts);
      // A machine that is too busy may miss a deadline of the client's; nothing else keeps a good token from its verdict.
      const good = kinds.filter((kind) => kind.startsWith("good") && kind !== "good: no verdict TIMED_OUT");
      expect(good, said).to.deep.equal(["good: verified"]);
      expect(
        kinds.filter((kind) => kind.startsWith("without kid") && kind.includes("rejected")),
        said,
      ).to.deep.equal([]);
      expect(
        kinds.filter((kind) => kind.startsWith("bad") && kind.includes("verified")),
        said,
      ).to.deep.equal([]);
      // A pause after a failure is shortened to the half at most; out of turn there is one in a cooldown.
      expect(made, said).to.be.at.most(2 + lasted / (REFRESH_MAX / 2) + 2 + lasted / COOLDOWN);
      expect(slowest, said).to.be.below(DEADLINE + 2000);
    }
  });

  it("once it is over, a new key verifies within the longest pause, and what is gone is unknown", async () => {
    await tell(
      TROUBLES.map((trouble) => ({ ...trouble, mode: "publish", document: { keys: [next.jwk] }, headers: {} })),
    );
    const names = TROUBLES.map(({ name }) => name);
    const began = Date.now();
    await Promise.all(names.map((name) => until(name, next.token(CLAIMS), "verified")));
    expect(Date.now() - began).to.be.below((TIMEOUT + REFRESH_MAX + COOLDOWN) * 1000 + 5000);
    // The set that has the new key came without the old one: that one was gone at once. Only where the new one had been
    // published beside it before, that it verifies does not say which set it is.
    const atOnce = TROUBLES.filter(({ mode, document }) => mode !== "publish" || document !== REST);
    const gone = await Promise.all(atOnce.map(async ({ name }) => [name, await ask(name, now.token(CLAIMS))] as const));
    expect(gone.filter(([, answer]) => answer === "verified")).to.deep.equal([]);
    await Promise.all(names.map((name) => until(name, now.token(CLAIMS), "rejected KEY_UNKNOWN")));
  });

  /** The table of `npm run drill`. */
  function show(lasted: number): void {
    const rows = [...seen].map(([name, { counts, slowest, requests }]) => {
      const sum = (kind: string, what: string): string =>
        String(
          Object.entries(counts).reduce(
            (all, [key, count]) => (key.startsWith(kind) && key.includes(what) ? all + count : all),
            0,
          ),
        );
      return [
        name,
        sum("good", "verified"),
        sum("good", "rejected"),
        sum("bad", "verified"),
        sum("bad", "rejected"),
        sum("bad", "no verdict"),
        String(requests),
        slowest.toFixed(0),
      ];
    });
    const head = [
      "trouble",
      "good verified",
      "good rejected",
      "bad verified",
      "bad rejected",
      "bad no verdict",
      "fetches",
      "slowest ms",
    ];
    process.stdout.write(`\n${[`${lasted.toFixed(0)} s`, ...aligned([head, ...rows])].join("\n")}\n`);
  }
});
