import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { connect, VerificationFailure, type VerifiedToken, type VerifierClient } from "../../src/client/index.js";
import { type Running, serve } from "../../src/server/serve.js";
import { healthClient } from "../grpc/health-client.js";
import { createMemoryLog } from "../support/log.js";

/**
 * Options of keys that are fetched every second; no issuer of these tests is silent, so a fetch takes long only on a
 * slow machine.
 */
export const FAST = "insecure: true, refreshMin: 1s, refreshMax: 1s, cooldown: 1s, timeout: 1m";
/**
 * Options of keys that are fetched once, and again only for a token; a test that waits for the cooldown sets the
 * clock ahead.
 */
export const SLOW = "insecure: true, refreshMin: 1h, refreshMax: 1h, cooldown: 10m, timeout: 1m";

/** A realm whose issuer publishes its keys at a URL. */
export const realm = (name: string, url: string, options = FAST, issuer = "https://issuer.example"): string =>
  `  ${name}: { algorithms: [ES256], issuer: "${issuer}", audience: null, keys: [{ jwksUri: "${url}", ${options} }] }\n`;

const MASTER_KEY = Buffer.alloc(32, "fetching tests").toString("base64");
const HEAD = `grpc: 127.0.0.1:0
metrics: 127.0.0.1:0
drain: { delay: 0s, timeout: 1s }
limits: { request: 1m }
store: sqlite:./verifier.db
masterKey: ${MASTER_KEY}
realms:
`;

/** A service that fetches keys, in a folder that is kept over restarts. */
export class FetchingService {
  readonly folder = mkdtempSync(join(tmpdir(), "fetching-service-"));
  readonly file = join(this.folder, "verifier.yaml");
  readonly #log = createMemoryLog();
  /** The milliseconds by which its clock is ahead. */
  ahead = 0;
  /** The time at which its clock is stopped, in milliseconds since 1970; the clock runs if it is undefined. */
  stands: number | undefined;
  #look = (): void => {};
  #running: Running | undefined;
  #client: VerifierClient | undefined;

  write(realms: string): void {
    writeFileSync(this.file, HEAD + realms);
  }

  /** Starts the service, or restarts it. @param realms its realms; those of the last start if left out */
  async start(realms?: string): Promise<void> {
    if (realms !== undefined) this.write(realms);
    this.#running = await serve(this.file, undefined, {
      env: {},
      clock: () => this.stands ?? Date.now() + this.ahead,
      log: this.#log.log,
      watch: (look) => {
        this.#look = look;
        return () => {};
      },
    });
    // A client's deadline is on the machine's clock; no call here is expected to reach it.
    this.#client = connect(this.#address("grpc"), { deadlineMs: 60_000, clock: () => Date.now() });
  }

  async stop(): Promise<void> {
    this.#client?.close();
    await this.#running?.stop();
    this.#running = undefined;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true });
  }

  reload(realms: string): void {
    this.write(realms);
    this.#running?.reload();
  }

  log(): string {
    return this.#log.text();
  }

  /** The log lines with the given message, with their levels by name. */
  lines(message: string): readonly Readonly<Record<string, unknown>>[] {
    const all = this.log().split("\n").filter(Boolean);
    return all
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
      .filter(({ msg }) => msg === message)
      .map((line) => ({ ...line, level: pino.levels.labels[Number(line["level"])] }));
  }

  get metrics(): string {
    return this.#address("metrics");
  }

  /** The verdict as a short text: `verified`, `stale`, `rejected REASON` or `no verdict REASON`. */
  async ask(name: string, token: string): Promise<string> {
    const answer = await this.answer(name, token);
    if (answer instanceof VerificationFailure) return `no verdict ${answer.reason}`;
    if (answer.kind === "rejected") return `rejected ${answer.reason}`;
    return answer.evidence.keySetStale ? "stale" : "verified";
  }

  async answer(name: string, token: string) {
    try {
      return await (this.#client as VerifierClient).verify({ realm: name, token });
    } catch (error) {
      if (error instanceof VerificationFailure) return error;
      throw error;
    }
  }

  async verified(name: string, token: string): Promise<VerifiedToken> {
    const answer = await this.answer(name, token);
    if (answer instanceof VerificationFailure || answer.kind !== "verified") throw new Error("not verified");
    return answer;
  }

  /** Asks until the answer is the given one; the test's own time-out ends the wait. */
  async until(name: string, token: string, want: string): Promise<void> {
    while ((await this.ask(name, token)) !== want) await new Promise((resolve) => setTimeout(resolve, 25));
  }

  async get(path: string): Promise<any> {
    return (await fetch(`http://${this.metrics}${path}`)).json();
  }

  /** The value of a series, or undefined if there is none. */
  async metric(series: string): Promise<number | undefined> {
    const text = await (await fetch(`http://${this.metrics}/metrics`)).text();
    const line = text.split("\n").find((one) => one.startsWith(`tokenverifier_${series} `));
    return line === undefined ? undefined : Number(line.split(" ").at(-1));
  }

  /** The status of a realm in gRPC health. */
  async health(name: string): Promise<string> {
    this.#look();
    const client = healthClient(this.#address("grpc"));
    try {
      return await new Promise((resolve) => {
        client["check"]({ service: `realm/${name}` }, (error: Error | null, answer?: { status: string }) =>
          resolve(answer?.status ?? String(error)),
        );
      });
    } finally {
      client.close();
    }
  }

  #address(name: string): string {
    return this.#running?.addresses[name] ?? "";
  }
}
