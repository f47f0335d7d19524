import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Certificate, NewCertificate, Order, Start } from "./misbehaving-server.js";

const MODULE = fileURLToPath(new URL("./misbehaving-server.ts", import.meta.url));

/** An issuer in a process of its own, which does what it is told. */
export class Issuer {
  readonly #child: ChildProcess;
  readonly #scheme: string;
  port = 0;

  private constructor(start: Start) {
    this.#scheme = start.tls === undefined ? "http" : "https";
    this.#child = fork(MODULE, [JSON.stringify(start)], { execArgv: ["--import", import.meta.resolve("tsx")] });
  }

  /** Starts one, that publishes an empty set. */
  static async start(start: Start = {}): Promise<Issuer> {
    const issuer = new Issuer(start);
    const [{ port }] = (await once(issuer.#child, "message")) as [{ port: number }];
    issuer.port = port;
    return issuer;
  }

  /** Where it publishes its keys, and whatever else it is asked for. */
  get url(): string {
    return this.at("/jwks");
  }

  at(path: string): string {
    return `${this.#scheme}://127.0.0.1:${this.port}${path}`;
  }

  /** Behaves like this from now on. */
  async be(mode: string, document: unknown = { keys: [] }, more: Pick<Order, "headers" | "path"> = {}): Promise<void> {
    this.#child.send({ mode, document: JSON.stringify(document), ...more } satisfies Order);
    await once(this.#child, "message");
  }

  /** Shows another certificate from now on, at the same port; all who are connected are cut off. */
  async show({ cert, key }: Certificate): Promise<void> {
    this.#child.send({ tls: { cert, key } } satisfies NewCertificate);
    await once(this.#child, "message");
  }

  /** The paths that were asked for since the last time that anything was counted, in order. */
  async requests(): Promise<readonly string[]> {
    return (await this.counts()).requests;
  }

  /** How many connections were made in that time, whether or not anything was asked over them. */
  async connections(): Promise<number> {
    return (await this.counts()).connections;
  }

  /** Both at once. */
  async counts(): Promise<{ readonly requests: readonly string[]; readonly connections: number }> {
    this.#child.send("count");
    const [counts] = (await once(this.#child, "message")) as [{ requests: string[]; connections: number }];
    return counts;
  }

  /** Ends it: from then on nobody listens at its port. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }
}
