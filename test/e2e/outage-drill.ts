import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect, VerificationFailure } from "../../src/client/index.js";
import { type Running, serve } from "../../src/server/serve.js";
import { Issuer } from "../keys/remote/misbehaving.js";
import { certify, pki } from "../support/certificates.js";
import { IssuerKey } from "../support/issuer-key.js";
import { createMemoryLog } from "../support/log.js";

// A drill with issuers in every kind of trouble under a service that is asked all the while. A test asserts the
// outcomes of the calls, and a benchmark (bench/outages.ts) also how long they took.

/** Milliseconds that the service allows for a call; the client would wait much longer. */
export const DEADLINE = 2000;
/** Milliseconds between two rounds of a realm's calls. */
const PAUSE = 400;
/** The configured times in seconds; a fetch may take longer than a call. */
const [REFRESH_MAX, COOLDOWN, TIMEOUT] = [2, 2, 5];
/** Milliseconds until a new key is known after its issuer has recovered. */
export const RECOVERY = (TIMEOUT + REFRESH_MAX + COOLDOWN) * 1000;

const CLAIMS = { iss: "https://issuer.example", exp: 4_000_000_000 };
const now = new IssuerKey("now");
const next = new IssuerKey("next");
const spare = new IssuerKey("spare");
const thief = new IssuerKey("now");
const stranger = new IssuerKey("a stranger's");
const leaked = new IssuerKey("leaked");

const SET = { keys: [now.jwk] };
const REST = { keys: [next.jwk, now.jwk] };

/** A kind of trouble: the issuer's behaviour, and the document it publishes while it can. */
interface Trouble {
  readonly name: string;
  readonly mode: string;
  readonly document: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The number of requests that one fetch makes (default 1). */
  readonly requests?: number;
  /** The shortest time between two scheduled fetches, in seconds (default: half of the longest pause). */
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
  // A fetch follows a good one after a second, and a failed one after at least half a second.
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

/** The outcomes of the calls of one issuer's realm. */
export interface Seen {
  /** Calls by kind of token and answer, such as `good: verified`. */
  readonly counts: Record<string, number>;
  /** Milliseconds that the slowest call took. */
  slowest: number;
  /** The number of times that the issuer was asked for its keys. */
  fetches: number;
  /** The most times that the issuer may be asked during the drill. */
  allowed: number;
}

/** A service and its issuers, which are all healthy at first. */
export interface Drill {
  /**
   * Puts every issuer into its trouble and asks about good and bad tokens for some seconds, at least twice for each
   * kind of token even if the machine stalls for all that time.
   *
   * @returns the outcomes of the calls, by the trouble's name
   */
  trouble(seconds: number): Promise<ReadonlyMap<string, Seen>>;
  /** Restores every issuer, with a new key alone. Resolves with the milliseconds after which every realm knows it. */
  recover(): Promise<number>;
  /**
   * Asks every realm, after the recovery, about a token of the old key, and returns the realms that wrongly verify
   * it.
   */
  stale(): Promise<readonly string[]>;
  /** Asks until every realm says that the old key is unknown. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a service with one realm for each kind of trouble, each of which has verified a token. */
export async function startDrill(): Promise<Drill> {
  const { authority, server } = pki();
  const seen = new Map<string, Seen>(NAMES.map((name) => [name, { counts: {}, slowest: 0, fetches: 0, allowed: 0 }]));
  const seenOf = (name: string): Seen => {
    const one = seen.get(name);
    if (one === undefined) throw new Error(`no trouble has the name ${name}`);
    return one;
  };
  const [plain, secure] = await Promise.all([Issuer.start(), Issuer.start({ tls: server })]);
  const tell = async (troubles: readonly Trouble[]): Promise<void> => {
    for (const { name, mode, document, headers = {} } of troubles) {
      await plain.be(mode, document, { headers, path: pathOf(name) });
    }
  };
  const publish = (document: unknown): Promise<void> =>
    tell(TROUBLES.map((trouble) => ({ ...trouble, mode: "publish", document, headers: {} })));

  await publish(SET);
  await secure.be("publish", SET);
  const folder = mkdtempSync(join(tmpdir(), "outage-drill-"));
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
  const running: Running = await serve(file, undefined, { env: {}, clock: Date.now, log: createMemoryLog().log });
  const client = connect(running.addresses["grpc"] ?? "", { deadlineMs: 30_000 });

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
      const one = seenOf(name);
      one.slowest = Math.max(one.slowest, performance.now() - began);
    }
  }

  /** Asks until the answer is the wanted one; the caller's own time-out ends the wait. */
  async function until(name: string, token: string, want: string): Promise<void> {
    while ((await ask(name, token)) !== want) await delay(50);
  }

  /** Asks about tokens of each kind, round by round, until the time is over. */
  async function load(name: string, index: number, end: number): Promise<void> {
    // The calls follow one another, as callers' do; all at once, they would wait for each other instead of an
    // issuer.
    await delay((index * PAUSE) / NAMES.length);
    const { counts } = seenOf(name);
    for (let round = 0; round < 2 || Date.now() < end; round++) {
      const claims = { ...CLAIMS, jti: `${name} ${round}` };
      const asked = [
        ["good", now.token(CLAIMS)],
        ["good", now.token(claims)],
        ["without kid", now.token(claims, { kid: undefined })],
        ["bad", thief.token(claims)],
        ["bad", leaked.token(claims)],
        ["bad", stranger.token(claims, { kid: `random ${index} ${round}` })],
        ["bad", stranger.token(claims, { kid: undefined })],
      ].map(async ([kind = "", token = ""]) => {
        const answer = `${kind}: ${await ask(name, token)}`;
        counts[answer] = (counts[answer] ?? 0) + 1;
      });
      await Promise.all([...asked, delay(PAUSE)]);
    }
  }

  await Promise.all(NAMES.map((name) => until(name, now.token(CLAIMS), "verified")));
  const names = TROUBLES.map(({ name }) => name);
  return {
    async trouble(seconds) {
      for (const one of seen.values()) one.slowest = 0;
      // The same host and port, with an expired certificate.
      const hour = 3_600_000;
      await secure.show(
        certify("server", {
          issuer: authority,
          names: [["IP", "127.0.0.1"]],
          from: Date.now() - 2 * hour,
          to: Date.now() - hour,
        }),
      );
      await secure.be("publish", REST);
      await tell(TROUBLES);
      await Promise.all([plain.requests(), secure.connections()]);
      const began = Date.now();
      await Promise.all(NAMES.map((name, index) => load(name, index, began + seconds * 1000)));
      const lasted = (Date.now() - began) / 1000;
      const requests = (await plain.requests()).map((path) => decodeURIComponent(path.slice(1)));
      // No request gets through TLS with such a certificate, so a fetch counts as a connection.
      const { connections, requests: inside } = await secure.counts();
      if (inside.length > 0) throw new Error(`asked in spite of an expired certificate: ${inside.join()}`);
      const tally = (name: string, fetches: number, step = REFRESH_MAX / 2): void => {
        // Scheduled fetches: a pause after a failure is at least half as long. Unscheduled ones: one in each
        // cooldown.
        const allowed = 2 + Math.ceil(lasted / step) + 2 + Math.ceil(lasted / COOLDOWN);
        Object.assign(seenOf(name), { fetches, allowed });
      };
      for (const { name, requests: each = 1, step } of TROUBLES) {
        tally(name, Math.ceil(requests.filter((path) => path === name).length / each), step);
      }
      tally(SECURE, connections);
      return seen;
    },
    async recover() {
      const began = performance.now();
      await publish({ keys: [next.jwk] });
      await Promise.all(names.map((name) => until(name, next.token(CLAIMS), "verified")));
      return performance.now() - began;
    },
    async stale() {
      // The set with the new key came without the old key, which was gone at once. If the new key had been published
      // beside the old one before, its verification would not show which set the service has.
      const atOnce = TROUBLES.filter(({ mode, document }) => mode !== "publish" || document !== REST);
      const old = await Promise.all(
        atOnce.map(async ({ name }) => [name, await ask(name, now.token(CLAIMS))] as const),
      );
      return old.filter(([, answer]) => answer === "verified").map(([name]) => name);
    },
    async forget() {
      await Promise.all(names.map((name) => until(name, now.token(CLAIMS), "rejected KEY_UNKNOWN")));
    },
    async close() {
      client.close();
      await running.stop();
      await Promise.all([plain.close(), secure.close()]);
      rmSync(folder, { recursive: true });
    },
  };
}
