import { readObject } from "../src/jws/json.js";
import { held, spread } from "./compare.js";

// The cost of strictness: compares the reader of headers and payloads with JSON.parse, which accepts all JSON.

/** The maximum ratio of the reader's CPU time to that of JSON.parse. */
const MOST_TIMES = 3;
/** The number of reads in a round, which takes milliseconds. */
const READS = 2_000;
const ROUNDS = 51;
/** The number of rounds before the measurement, in which everything is compiled. */
const WARM_UP = 5;

const CLAIMS = {
  iss: "https://issuer.example/",
  sub: "user|5f7c8ec7c33c6c004bbafe82",
  aud: ["https://api.example", "https://issuer.example/userinfo"],
  azp: "a0b1c2d3e4f5a6b7c8d9e0f1",
  iat: 1_800_000_000,
  nbf: 1_800_000_000,
  exp: 1_800_003_600,
  jti: "3f9c0c7e-2a3a-4be5-8f7e-6f1f0a7f1a11",
  scope: "openid profile email read:messages",
  email: "jane@example.com",
  email_verified: true,
  name: "Jane Doe",
  roles: ["admin", "user"],
};
const MEMBERSHIPS = {
  groups: Array.from({ length: 36 }, (_, n) => `group-${n}-of-some-company`),
  permissions: Object.fromEntries(Array.from({ length: 18 }, (_, n) => [`resource-${n}`, ["read", "write"]])),
};
const DOCUMENTS: Readonly<Record<string, object>> = {
  "a header": { alg: "RS256", typ: "JWT", kid: "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg" },
  "a payload": CLAIMS,
  "a long payload": { ...CLAIMS, ...MEMBERSHIPS },
};

/** Returns the CPU time of one read in nanoseconds, measured over many. */
function cost(read: () => unknown): number {
  const before = process.cpuUsage();
  let taken = 0;
  for (let turn = 0; turn < READS; turn++) if (read() !== undefined) taken++;
  const { user, system } = process.cpuUsage(before);
  if (taken !== READS) throw new Error("the reader takes no such text");
  return ((user + system) * 1_000) / READS;
}

/**
 * Compares the reader, which gets bytes, with JSON.parse, which gets a decoded text, in alternating rounds; the result is
 * the ratio.
 */
export function strictJson(): void {
  console.log(`strict JSON beside JSON.parse: CPU per read, median of ${ROUNDS} rounds of ${READS}`);
  for (const [name, document] of Object.entries(DOCUMENTS)) {
    const text = JSON.stringify(document);
    const bytes = Buffer.from(text);
    const figures: { ours: number; plain: number }[] = [];
    for (let round = 0; round < WARM_UP + ROUNDS; round++) {
      figures.push({ ours: cost(() => readObject(bytes)), plain: cost(() => JSON.parse(text) as unknown) });
    }
    const counted = figures.slice(WARM_UP);
    const middle = (of: (one: { ours: number; plain: number }) => number): number => spread(counted.map(of)).median;
    const ratio = middle(({ ours, plain }) => ours / plain);
    const costs = `${middle(({ ours }) => ours).toFixed(0)} ns beside ${middle(({ plain }) => plain).toFixed(0)} ns`;
    console.log(
      `  ${`${name}, ${bytes.length} bytes`.padEnd(28)} ${costs.padEnd(24)} ` +
        `${ratio.toFixed(2)} x  ${held(ratio, MOST_TIMES, "x")}`,
    );
  }
}
