import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Credential, failure } from "../src/contract/verifier.js";
import { readObject } from "../src/jws/json.js";
import { addressReader } from "../src/util/client-address.js";
import { Secret } from "../src/util/secret.js";
import { limitCredentials } from "../src/verifier/credential-rate-limit.js";
import { held } from "./compare.js";

// The memory that stays in the heap for values that callers make up: addresses, clients that fail, and documents.

const MIB = 1024 ** 2;

export async function heldMemory(): Promise<void> {
  console.log("what callers make up: MiB that the heap holds more, once its garbage is collected");
  await tell("40,000 addresses, with 16 KiB forwarded", 5, addresses);
  await tell("200 client ids of 1 MiB each", 20, longClients);
  await tell("110,000 more failing clients and addresses", 4, manyClients);
  for (const name of ["7", "400", "1000", "\\u0031000"]) {
    await tell(`JSON of 990 objects with the member ${name}`, 2, async () => () => indexed(name));
  }
}

/** Prints the growth of the heap during the function that the preparation returns. */
async function tell(name: string, most: number, prepare: () => Promise<() => Promise<unknown>>): Promise<void> {
  const measured = await prepare();
  const before = heapUsed();
  const holder = await measured();
  const figure = (heapUsed() - before) / MIB;
  if (holder === undefined) throw new Error("what was measured is garbage itself");
  console.log(`  ${name.padEnd(44)} ${figure.toFixed(1).padStart(5)} MiB  ${held(figure, most, "MiB")}`);
}

async function addresses(): Promise<() => Promise<unknown>> {
  const reader = addressReader(["10.0.0.1", "10.1.0.0/16"]);
  const call = (index: number): void => {
    const address = `2001:db8:1111:2222::${(index >> 16).toString(16)}:${(index & 65_535).toString(16)}`;
    reader(address, undefined);
    reader("10.0.0.1", `${"x".repeat(16_384)},${address.replace("db8", "db9")}, 10.1.0.1`);
  };
  for (let index = 0; index < 100; index++) call(index);
  return async () => {
    for (let index = 100; index < 40_000; index++) call(index);
    return reader;
  };
}

async function longClients(): Promise<() => Promise<unknown>> {
  const fail = failing(60_000);
  return async () => {
    for (let turn = 0; turn < 200; turn++) await fail("a", `${turn}${"x".repeat(MIB)}`);
    return fail;
  };
}

async function manyClients(): Promise<() => Promise<unknown>> {
  const fail = failing(86_400_000);
  let attacker = 0;
  const attack = async (until: number): Promise<unknown> => {
    for (; attacker < until; attacker++) await fail(`10.${attacker}`, `c${attacker}`);
    return fail;
  };
  await attack(210_000);
  return () => attack(320_000);
}

/** Returns a document whose member names look like array indices, for which an array would reserve room. */
async function indexed(name: string): Promise<unknown> {
  const document = readObject(Buffer.from(`{"a":[${Array(990).fill(`{"${name}":0}`).join()}]}`));
  if (document === undefined) throw new Error("the document was refused");
  return document;
}

/** Returns a function that fails as a client from an address. @param window of failures, in milliseconds */
function failing(window: number): (address: string, clientId: string) => Promise<void> {
  const core = { verify: () => failure("CALLER_UNKNOWN") };
  const limits = { perClient: { count: 3, window }, perAddress: { count: 1e6, window: 60_000 } };
  const limited = limitCredentials(core, limits, () => 0);
  return async (address, clientId) => {
    const credential: Credential = { kind: "client", clientId, clientSecret: new Secret("wrong") };
    const request = { realm: "r", token: new Secret("t"), credential, explain: false };
    await limited.verify(request, { requestId: "a", address, deadline: Number.POSITIVE_INFINITY });
  };
}

/** Returns the used heap in bytes after a garbage collection. */
function heapUsed(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let round = 0; round < 3; round++) collect();
  return process.memoryUsage().heapUsed;
}
