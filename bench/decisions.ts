import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { pino } from "pino";
import { loadConfig } from "../src/config/load.js";
import type { Outcome, VerificationRequest } from "../src/contract/verifier.js";
import { openCore } from "../src/server/core.js";
import { Secret } from "../src/util/secret.js";
import { encodeVerdict } from "../src/wire/answers.js";
import { spread } from "./compare.js";
import { deploy, SECRET } from "./deployment.js";
import { hs256, later, secretKeyOf } from "./directory-data.js";

// CPU of a decision in this process, without any transport: many distinct tokens of about 500 characters, each asked
// for the first time and then again, with and without the encoding of the answer.

const TOKENS = 10_000;
const ROUNDS = 7;

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

function rs256(claims: object, key: KeyObject): string {
  const input = `${encode({ alg: "RS256", typ: "JWT", kid: "bench-1" })}.${encode(claims)}`;
  return `${input}.${sign("sha256", Buffer.from(input), key).toString("base64url")}`;
}

/** The claims of an ordinary token. */
const claimsOf = (n: number): Record<string, unknown> => ({
  iss: "https://issuer.example/",
  sub: `user|5f7c8ec7c33c6c00${String(n).padStart(8, "0")}`,
  aud: "https://api.example",
  iat: later() - 90_000,
  exp: later(),
  jti: `3f9c0c7e-2a3a-4be5-8f7e-${String(n).padStart(12, "0")}`,
  scope: "openid profile email read:messages",
  azp: "a0b1c2d3e4f5a6b7c8d9e0f1",
});

const RULES = "issuer: https://issuer.example/, audience: https://api.example, claims: { scope: { includes: openid } }";

/** Prints the CPU of decisions in each kind of realm. */
export async function decisions(): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = JSON.stringify({ ...publicKey.export({ format: "jwk" }), kid: "bench-1" });
  const deployment = deploy(`grpc: 127.0.0.1:0
store: sqlite:./verifier.db
masterKey: ${Buffer.alloc(32, "benchmark").toString("base64")}
directory: ./seed.yaml
cache: { facts: 512MiB }
realms:
  rs256: { algorithms: [RS256], ${RULES}, keys: [{ jwk: ${jwk} }] }
  hs256: { algorithms: [HS256], ${RULES}, keys: [{ secret: ${SECRET} }] }
  clowk: { preset: clowk }
`);
  const user = (n: number): string =>
    `{ id: user-${n}, email: u${n}@example.com, name: User, avatarUrl: null, provider: null }`;
  const users = Array.from({ length: 100 }, (_, n) => user(n)).join(", ");
  writeFileSync(
    path.join(deployment.folder, "seed.yaml"),
    `instances:\n  - { id: inst_0, appId: app, secretKeys: [${secretKeyOf(0)}], users: [${users}] }\n`,
  );
  const core = await openCore(loadConfig(deployment.config, { env: {} }), {
    clock: Date.now,
    log: pino({ level: "silent" }),
  });
  const context = { requestId: "bench", address: "127.0.0.1", deadline: Number.POSITIVE_INFINITY };
  const credential = { kind: "instance", secretKey: new Secret(secretKeyOf(0)) } as const;
  const kinds: Readonly<Record<string, (n: number) => Pick<VerificationRequest, "token" | "credential">>> = {
    rs256: (n) => ({ token: new Secret(rs256(claimsOf(n), privateKey)), credential: undefined }),
    hs256: (n) => ({ token: new Secret(hs256(claimsOf(n), SECRET)), credential: undefined }),
    clowk: (n) => ({
      token: new Secret(
        hs256({ ...claimsOf(n), iss: "clowk", sub: `user-${n % 100}`, instance_id: "inst_0" }, secretKeyOf(0)),
      ),
      credential,
    }),
  };
  try {
    console.log(`CPU of a decision in process, us: ${TOKENS} distinct tokens, median of ${ROUNDS} rounds`);
    for (const [realm, make] of Object.entries(kinds)) {
      const requests = Array.from({ length: TOKENS }, (_, n) => ({ realm, ...make(n), explain: false }));
      const cost = async (use: (outcome: Outcome) => void): Promise<number> => {
        const before = process.cpuUsage();
        for (const request of requests) {
          const answer = core.verifier.verify(request, context);
          const outcome = answer instanceof Promise ? await answer : answer;
          if (outcome.kind !== "verified") throw new Error(JSON.stringify(outcome));
          use(outcome);
        }
        const { user, system } = process.cpuUsage(before);
        return (user + system) / TOKENS;
      };
      const write = (outcome: Outcome): void => {
        if (outcome.kind !== "failure") encodeVerdict(outcome, 5);
      };
      const fresh = await cost(() => {});
      const first = await cost(write);
      const seen: number[] = [];
      const answered: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        seen.push(await cost(() => {}));
        answered.push(await cost(write));
      }
      const text = (figure: number): string => figure.toFixed(2).padStart(7);
      console.log(
        `  ${realm.padEnd(6)} fresh ${text(fresh)}  first answer ${text(first)}  seen ${text(spread(seen).median)} ` +
          ` with its answer ${text(spread(answered).median)}  (${requests[0]?.token.length} characters)`,
      );
    }
  } finally {
    await core.close();
    deployment.remove();
  }
}
