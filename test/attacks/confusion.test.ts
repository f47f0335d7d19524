import { expect } from "chai";
import * as fc from "fast-check";
import type { Config } from "../../src/config/load.js";
import type { Credential, Outcome } from "../../src/contract/verifier.js";
import { Secret } from "../../src/util/secret.js";
import { type Deployment, deploy, type Folder, makeFolder } from "../support/deployment.js";
import { secretOf } from "../support/keys.js";
import { revokeBy } from "../support/revoke.js";
import { encode, signatureOf } from "./harness.js";

// Nothing of one realm, instance or client counts for another, whatever was asked before and by whom, with or
// without a cache of facts, before and after a reload, and through a realm by issuer. A model that remembers nothing
// gives the expected outcome of each request.

const configuration = (facts: string, { key, others }: { key: string; others: string }): string => `
grpc: 127.0.0.1:0
store: sqlite:./data/verifier.db
masterKey: \${MASTER_KEY}
directory: ./directory.yaml
cache: { facts: ${facts} }
failures: { perClient: 1000000/1m, perAddress: 1000000/1m }
realms:
  clowk: { preset: clowk }
  a: { algorithms: [ES256], issuer: "https://a.example", audience: null, keys: [{ pemFile: ./${key}.pem }] }
  b: { algorithms: [ES256], issuer: "https://b.example", audience: null, keys: [{ pemFile: ./p256.pem }] }
  clients: { algorithms: [ES256], issuer: null, audience: null, callers: clients, keys: [{ pemFile: ./p256.pem }] }
${others}
`;

/** The configurations before and after the reload, which gives realm a another key and removes realm d. */
const VARIANTS = [
  {
    key: "p256",
    others: `  d: { algorithms: [HS256], issuer: "https://d.example", audience: null, keys: [{ secret: "\${hs256}" }] }
  any: { byIssuer: [a, b, d] }`,
  },
  { key: "p256-other", others: "  any: { byIssuer: [a, b] }" },
] as const;

interface Claims {
  readonly iss: string | undefined;
  readonly instance_id: string;
  readonly sub: string;
  readonly jti: string;
}
interface Asked {
  readonly realm: string;
  readonly key: string;
  readonly claims: Claims;
  readonly caller: string;
}

const JANE = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";
const INSTANCES: Readonly<Record<string, { keys: readonly string[]; users: readonly string[] }>> = {
  inst_abc123: { keys: ["clowk", "clowk-next"], users: [JANE, "nobody-knows"] },
  inst_other: { keys: ["clowk-other"], users: ["only-of-other"] },
};
const CLIENTS: Readonly<Record<string, string>> = {
  "vision-api-user": "abcdefghizklmnopponommnshfghzxxs",
  "another-client": "another-secret-of-32-characters-x",
};
const ISSUERS: Readonly<Record<string, string>> = {
  a: "https://a.example",
  b: "https://b.example",
  d: "https://d.example",
};

/** The realms in which the jti "revoked" is revoked: realm a and one instance. */
const REVOKED = ["a", "clowk/inst_other"];

const anyAsked: fc.Arbitrary<Asked> = fc.record({
  realm: fc.constantFrom("a", "b", "d", "any", "clients", "clowk", "clowk"),
  key: fc.constantFrom("p256", "p256", "p256-other", "hs256", "clowk", "clowk-next", "clowk-other"),
  claims: fc.record({
    iss: fc.constantFrom(...Object.values(ISSUERS), "clowk", "clowk", undefined),
    instance_id: fc.constantFrom(...Object.keys(INSTANCES)),
    sub: fc.constantFrom(JANE, "only-of-other", "nobody"),
    jti: fc.constantFrom("revoked", "good"),
  }),
  caller: fc.constantFrom(
    "",
    "",
    "clowk",
    "clowk-next",
    "clowk-other",
    "key of nobody",
    "vision-api-user",
    "another-client",
    "the other's secret",
    "client that is none",
  ),
});

/** Requests that are right or nearly right, which chance alone would make too seldom. */
const fitting: fc.Arbitrary<Asked> = fc
  .record({
    way: fc.constantFrom(
      { realm: "a", iss: ISSUERS["a"], keys: ["p256", "p256-other"], callers: [""] },
      { realm: "b", iss: ISSUERS["b"], keys: ["p256"], callers: [""] },
      { realm: "any", iss: ISSUERS["a"], keys: ["p256", "p256-other"], callers: [""] },
      { realm: "any", iss: ISSUERS["d"], keys: ["hs256"], callers: [""] },
      { realm: "clients", iss: undefined, keys: ["p256"], callers: Object.keys(CLIENTS) },
      { realm: "clowk", iss: "clowk", keys: ["clowk", "clowk-next"], callers: ["clowk", "clowk-next"] },
      { realm: "clowk", iss: "clowk", keys: ["clowk-other"], callers: ["clowk-other"] },
    ),
    at: fc.nat(1),
    sub: fc.constantFrom(JANE, "only-of-other", "nobody"),
    jti: fc.constantFrom("revoked", "good"),
  })
  .map(({ way: { realm, iss, keys, callers }, at, sub, jti }) => ({
    realm,
    key: keys[at] ?? keys[0] ?? "",
    caller: callers[1 - at] ?? callers[0] ?? "",
    claims: { iss, sub, jti, instance_id: keys[0] === "clowk-other" ? "inst_other" : "inst_abc123" },
  }));

const asked: fc.Arbitrary<Asked> = fc.oneof(anyAsked, fitting);

const algorithmOf = (key: string): string => (key.startsWith("p256") ? "ES256" : "HS256");

// ECDSA signs differently each time, so each token is made once: otherwise no cache would ever be hit.
const made = new Map<string, string>();
function tokenOf({ key, claims }: Asked): string {
  const name = JSON.stringify([key, claims]);
  let token = made.get(name);
  if (token === undefined) {
    const input = `${encode(`{"alg":"${algorithmOf(key)}"}`)}.${encode(JSON.stringify({ exp: 1_800_003_600, ...claims }))}`;
    token = `${input}.${encode(signatureOf({ algorithm: algorithmOf(key), key }, input))}`;
    made.set(name, token);
  }
  return token;
}

function credentialOf(caller: string): Credential | undefined {
  const client = (clientId: string, secret: string): Credential => ({
    kind: "client",
    clientId,
    clientSecret: new Secret(secret),
  });
  if (caller === "") return undefined;
  if (caller === "key of nobody") return { kind: "instance", secretKey: new Secret("sk_live_of_nobody_at_all") };
  if (caller.startsWith("clowk")) return { kind: "instance", secretKey: new Secret(secretOf(caller)) };
  if (caller === "the other's secret") return client("vision-api-user", CLIENTS["another-client"]!);
  return client(caller, CLIENTS[caller] ?? CLIENTS["another-client"]!);
}

/** The expected outcome of a request, worked out from the configuration alone. */
function expected(request: Asked, variant: number): string {
  const { realm, key, claims, caller } = request;
  const routes = variant === 0 ? ["a", "b", "d"] : ["a", "b"];
  if (realm === "d" && variant === 1) return "error REALM_UNKNOWN";
  if (realm === "clowk") return expectedOfClowk(request);
  if (realm === "clients") {
    if (caller === "") return "error CALLER_MISSING";
    if (credentialOf(caller)?.kind !== "client") return "error CREDENTIAL_REFUSED";
    if (CLIENTS[caller] === undefined) return "error CALLER_UNKNOWN";
  } else if (caller !== "") {
    return "error CREDENTIAL_REFUSED";
  }
  const route = realm === "any" ? routes.find((one) => ISSUERS[one] === claims.iss) : realm;
  if (route === undefined) return claims.iss === undefined ? "CLAIM_MISSING iss" : "ISSUER_MISMATCH iss";
  const trusted = route === "d" ? "hs256" : route === "a" ? VARIANTS[variant]!.key : "p256";
  if (algorithmOf(key) !== algorithmOf(trusted)) return "ALGORITHM_MISMATCH alg";
  if (key !== trusted) return "SIGNATURE_INVALID ";
  if (route !== "clients") {
    if (claims.iss === undefined) return "CLAIM_MISSING iss";
    if (claims.iss !== ISSUERS[route]) return "ISSUER_MISMATCH iss";
  }
  return claims.jti === "revoked" && REVOKED.includes(route) ? "TOKEN_REVOKED jti" : `verified ${claims.sub} of `;
}

function expectedOfClowk({ key, claims, caller }: Asked): string {
  if (caller === "") return "error CALLER_MISSING";
  if (credentialOf(caller)?.kind !== "instance") return "error CREDENTIAL_REFUSED";
  const [id, instance] = Object.entries(INSTANCES).find(([, { keys }]) => keys.includes(caller)) ?? [];
  if (id === undefined || instance === undefined) return "error CALLER_UNKNOWN";
  if (claims.instance_id !== id) return "INSTANCE_MISMATCH instance_id";
  if (algorithmOf(key) !== "HS256") return "ALGORITHM_MISMATCH alg";
  if (!instance.keys.includes(key)) return "SIGNATURE_INVALID ";
  if (claims.iss !== "clowk") return "ISSUER_MISMATCH iss";
  if (claims.jti === "revoked" && REVOKED.includes(`clowk/${id}`)) return "TOKEN_REVOKED jti";
  return instance.users.includes(claims.sub) ? `verified ${claims.sub} of ${id}` : "USER_UNKNOWN sub";
}

function said(outcome: Outcome): string {
  if (outcome.kind === "failure") return `error ${outcome.reason}`;
  if (outcome.kind === "rejected") return `${outcome.reason} ${outcome.claim}`;
  const { id, instanceId } = outcome.principal?.user ?? {};
  return `verified ${id} of ${instanceId}`;
}

describe("attacks by confusing realms, instances and clients", () => {
  const services: Deployment[] = [];
  const folders: Folder[] = [];
  const configs: Config[] = [];
  before(async () => {
    const commands = REVOKED.map((name) => {
      const [realm = "", instance] = name.split("/");
      return revokeBy({ realm, kind: "jti", value: "revoked", instance }, 1_900_000_000);
    });
    // A size of its own, so that suites that are run without a cache leave it.
    for (const facts of ["32MiB", "0B"]) services.push(await deploy(configuration(facts, VARIANTS[0]), { commands }));
    for (const variant of VARIANTS) {
      const folder = makeFolder(configuration("64MiB", variant));
      folders.push(folder);
      configs.push(folder.config);
    }
  });
  after(async () => {
    for (const service of services) await service.close();
    for (const folder of folders) folder.remove();
  });

  const step = fc.oneof({ weight: 12, arbitrary: asked }, { weight: 1, arbitrary: fc.constant("reload" as const) });

  it("no verdict, fact, user, revocation or failure of one realm, instance or client counts for another", async function () {
    this.timeout(60_000);
    const seen = new Map<string, number>();
    let variant = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        for (const one of steps) {
          if (one === "reload") {
            variant = 1 - variant;
            for (const { core } of services) core.reload(configs[variant]!);
            continue;
          }
          const must = expected(one, variant);
          seen.set(must.split(" ")[0]!, (seen.get(must.split(" ")[0]!) ?? 0) + 1);
          const request = {
            realm: one.realm,
            token: new Secret(tokenOf(one)),
            credential: credentialOf(one.caller),
            explain: false,
          };
          const context = { requestId: "", address: "192.0.2.1", deadline: Number.POSITIVE_INFINITY };
          for (const { core } of services) expect(said(await core.verifier.verify(request, context))).to.equal(must);
        }
      }),
      { numRuns: 60 },
    );
    // The model was exercised: every outcome occurred, and only the service with a cache remembered facts.
    expect([...seen.keys()]).to.include.members([
      "verified",
      "TOKEN_REVOKED",
      "USER_UNKNOWN",
      "SIGNATURE_INVALID",
      "error",
    ]);
    const [warm, cold] = services.map(({ core }) => core.stats().factLookups.hit);
    expect(warm).to.be.above(0);
    expect(cold).to.equal(0);
  });

  it("each of many simultaneous requests is answered on its own", async () => {
    for (const { core } of services) core.reload(configs[0]!);
    await fc.assert(
      fc.asyncProperty(fc.array(asked, { minLength: 20, maxLength: 100 }), async (all) => {
        const context = { requestId: "", address: "", deadline: Number.POSITIVE_INFINITY };
        const answers = await Promise.all(
          all.map(async (one) =>
            services[0]!.core.verifier.verify(
              {
                realm: one.realm,
                token: new Secret(tokenOf(one)),
                credential: credentialOf(one.caller),
                explain: false,
              },
              context,
            ),
          ),
        );
        expect(answers.map(said)).to.deep.equal(all.map((one) => expected(one, 0)));
      }),
      { numRuns: 20 },
    );
  });
});
