import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { type AdminChannel, openAdminChannel } from "../../../src/cli/admin-channel.js";
import { failureOf } from "../../../src/cli/errors.js";
import type { Role } from "../../../src/contract/operator.js";
import { OperatorError, type OperatorFailure } from "../../../src/contract/operator-failures.js";
import { deriveMasterKeys } from "../../../src/directory/master-keys.js";
import type { AskedRevocation } from "../../../src/grpc/admin/context.js";
import type { Operations } from "../../../src/grpc/admin/methods.js";
import { operationsOn } from "../../../src/grpc/admin/operations.js";
import type { FinishedOperatorCall } from "../../../src/grpc/admin/services.js";
import { createServer } from "../../../src/grpc/server.js";
import type { ListenerOptions } from "../../../src/net/admission.js";
import { operatorAccess } from "../../../src/server/operator-access.js";
import { Secret } from "../../../src/util/secret.js";
import { afterEachFile } from "../../support/after-file.js";
import { createClock, type TestClock } from "../../support/clock.js";
import { LIMITS } from "../harness.js";
import { type MemoryStore, memoryStore } from "./memory-store.js";

// The operators' services on real ports, over a store in memory.

/** The key of the operator of a role. */
export const keyOf = (role: Role): string => `${role}-`.padEnd(32, "0123456789");

/** A request id. */
export const draw = (): string => randomUUID();

/** Waits as short as possible, before a call is sent again. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A running operators' port. */
export interface RunningAdmin {
  readonly address: string;
  readonly store: MemoryStore;
  readonly clock: TestClock;
  /** What an operator of a role can do, over gRPC. */
  as(role: Role): Operations;
  /** The calls that have ended. */
  readonly ended: FinishedOperatorCall[];
  readonly faults: unknown[];
}

const closing: (() => unknown)[] = [];
afterEachFile(() => Promise.all(closing.splice(0).map((close) => close())));

/** How a port is started. */
interface StartOptions {
  /** Default: a key for each role, its name that of the role. */
  readonly keys?: readonly { readonly name: string; readonly key: Secret; readonly role: Role }[];
  readonly certificates?: readonly { readonly san: string; readonly role: Role }[];
  readonly listener?: ListenerOptions;
  readonly at?: string;
}

const ROLE_KEYS = (["read", "revoke", "write", "admin"] as const).map((role) => ({
  name: role,
  key: new Secret(keyOf(role)),
  role,
}));

/** The realm `web` alone: a stand-in for the rules of a configuration. */
function makeRevocation({ issuedBefore, ban, exp, ...selector }: AskedRevocation, now: number) {
  if (selector.realm !== "web") throw new OperatorError("REQUEST_INVALID", "There is no such realm. Give one of: web.");
  const isTimeless = ["jti", "digest", "key"].includes(selector.kind) || ban === true;
  return {
    selector,
    issuedBefore: isTimeless ? null : (issuedBefore ?? Math.floor(now / 1000)),
    exp: exp ?? null,
  };
}

/** Starts an operators' port. */
export async function startAdmin({
  keys = ROLE_KEYS,
  certificates = [],
  listener = {},
  at = "127.0.0.1:0",
}: StartOptions = {}): Promise<RunningAdmin> {
  const clock = createClock();
  const store = memoryStore(clock.now);
  const ended: FinishedOperatorCall[] = [];
  const faults: unknown[] = [];
  const failures = { perClient: { count: 20, window: 60_000 }, perAddress: { count: 5, window: 60_000 } };
  const access = operatorAccess({ address: at, tls: undefined, keys, certificates }, failures, clock.now);
  const server = createServer({
    limits: LIMITS,
    listener,
    operators: {
      operationsFor: operationsOn({
        store,
        clock: clock.now,
        keys: deriveMasterKeys([new Secret(Buffer.alloc(32, 7).toString("base64"))]),
        makeRevocation,
        realms: () => [{ name: "web", state: "fresh", why: "" }],
        onFault: (error) => faults.push(error),
      }),
      authenticate: (credential) => access.authenticate(credential),
      clock: clock.now,
      addressOf: (peer) => peer,
      ended: (call) => ended.push(call),
      fault: (error) => faults.push(error),
    },
  });
  const address = await server.listen(at);
  closing.push(() => server.close(100));
  const channels = new Map<Role, AdminChannel>();
  return {
    address,
    store,
    clock,
    ended,
    faults,
    as(role) {
      const channel =
        channels.get(role) ?? openAdminChannel({ address, key: new Secret(keyOf(role)), tls: undefined }, nextTurn);
      if (!channels.has(role)) closing.push(() => channel.close());
      channels.set(role, channel);
      return channel.operations;
    },
  };
}

/** Expects an operator's error. @returns its message */
export async function refused(call: Promise<unknown>, reason: OperatorFailure): Promise<string> {
  try {
    await call;
  } catch (error) {
    expect(error).to.be.instanceOf(OperatorError);
    expect((error as OperatorError).reason, (error as Error).message).to.equal(reason);
    return (error as Error).message;
  }
  throw new Error(`the call succeeded instead of failing with ${reason}`);
}

/** The failure that a call ends with, as the command line reports it. */
export async function failureOfCall(call: () => Promise<unknown>): Promise<object> {
  try {
    await call();
  } catch (error) {
    return failureOf(error);
  }
  throw new Error("the call succeeded");
}

/** A stream of the messages of an import. */
export async function* parts(
  lines: string,
  options: { readonly requestId: string; readonly prune?: boolean; readonly dryRun?: boolean },
) {
  yield {
    part: { $case: "options" as const, value: { prune: false, dryRun: false, fromOtherStore: false, ...options } },
  };
  for (let at = 0; at < lines.length; at += 100) {
    yield { part: { $case: "lines" as const, value: Buffer.from(lines.slice(at, at + 100)) } };
  }
}

/** All parts of an export, as text. */
export async function textOf(stream: AsyncIterable<{ readonly lines: Uint8Array }>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const { lines } of stream) all.push(lines);
  return Buffer.concat(all).toString();
}
