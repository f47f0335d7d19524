import { FAILURES, type FailureReason } from "../../../src/contract/failures.js";
import { failure, type Outcome, type Verifier } from "../../../src/contract/verifier.js";
import { createServer, type ServiceLimits, type ServiceServer } from "../../../src/grpc/server.js";
import { deferred, LIMITS, NOW, REJECTED, VERIFIED } from "../harness.js";
import { holdAges } from "./ages.js";

// The server of the table's rows. A request's token, up to a colon, says what the verifier does.

/** A verdict whose answer has 256 KiB. */
const LARGE: Outcome = { ...VERIFIED, token: { ...VERIFIED.token, payload: `{"sub":"${"j".repeat(256 * 1024)}"}` } };

/** A verdict that cannot be encoded, as a bug would make it. */
const UNWRITABLE: Outcome = {
  ...VERIFIED,
  get evidence(): never {
    throw new Error("a bug");
  },
};

/** A server, what happened at it, and how a test takes part. */
export interface Service {
  readonly server: ServiceServer;
  readonly address: string;
  /** The tokens that the verifier was asked about. */
  readonly asked: string[];
  /** The status codes of the calls that have ended. */
  readonly ended: number[];
  /** The errors that the service reported as its own. */
  readonly faults: unknown[];
  /** Resolves once the verifier is asked about this token. */
  whenAsked(token: string): Promise<void>;
}

/** Starts a server. @param limits that are not the usual ones */
export async function startService(limits: Partial<ServiceLimits>): Promise<Service> {
  const asked: string[] = [];
  const ended: number[] = [];
  const faults: unknown[] = [];
  const waiting = new Map<string, () => void>();
  const ages = holdAges();
  const later = (): Promise<Outcome> => new Promise((resolve) => setImmediate(() => resolve(VERIFIED)));

  /** What the verifier does about a token; any other is a failure of that name. */
  const scripts: Readonly<Record<string, () => Outcome | Promise<Outcome>>> = {
    verified: () => VERIFIED,
    rejected: () => REJECTED,
    large: () => LARGE,
    later,
    refused: () => ({ ...failure("KEY_REFUSED"), cause: "malformed" }),
    unwritable: () => UNWRITABLE,
    // A promise that never settles: only the deadline, or the caller's leaving, ends the call.
    never: () => new Promise(() => {}),
    drain: () => {
      void server.close(20_000);
      return later();
    },
    aged: () => {
      ages.pass();
      return later();
    },
  };
  const verify: Verifier["verify"] = ({ token }) => {
    const name = token.reveal().split(":")[0] ?? "";
    asked.push(name);
    waiting.get(name)?.();
    const script = scripts[name];
    if (script !== undefined) return script();
    if (!Object.hasOwn(FAILURES, name)) throw new Error(`no script for ${name}`);
    return failure(name as FailureReason);
  };

  const server = createServer({
    limits: { ...LIMITS, ...limits },
    calls: {
      verifier: { verify },
      clock: () => NOW,
      observer: { ended: () => {}, fault: (_call, error) => void faults.push(error) },
      addressOf: (peer) => peer,
    },
    ended: (_path, code) => void ended.push(code),
  });
  const address = await server.listen("127.0.0.1:0");
  return {
    server,
    address,
    asked,
    ended,
    faults,
    whenAsked(token) {
      const { promise, resolve } = deferred<void>();
      waiting.set(token, resolve);
      return promise;
    },
  };
}
