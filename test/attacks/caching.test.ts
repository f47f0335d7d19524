import { expect } from "chai";
import { tokenContentDigest } from "../../src/verifier/revocation.js";
import { toBytes, toInteger } from "../jws/signing.js";
import { deploy, makeFolder } from "../support/deployment.js";
import { createClient } from "../support/grpc.js";
import { revokeBy } from "../support/revoke.js";
import {
  type Attacked,
  claimsWith,
  decode,
  ES256,
  encode,
  expectGrpc,
  HS256,
  makeToken,
  NOW,
  RS256,
  type Target,
} from "./harness.js";

// Attacks on the cache of facts: a token was verified and is remembered, and then something changes, or a token that
// is nearly the same arrives. confusion.test.ts checks that realms share no facts, and test/verifier/facts.test.ts
// checks the bounds of the cache.

const configuration = (es256: string, hs256 = "hs256", facts = "64MiB"): string => `
grpc: 127.0.0.1:0
store: sqlite:./data/verifier.db
masterKey: \${MASTER_KEY}
cache: { facts: ${facts} }
realms:
  es256: { algorithms: [ES256], issuer: null, audience: null, keys: [${es256}] }
  rs256: { algorithms: [RS256], issuer: null, audience: null, keys: [{ pemFile: ./rsa.pem }] }
  hs256: { algorithms: [HS256], issuer: null, audience: null, keys: [{ secret: "\${${hs256}}" }] }
`;
const P256 = "{ pemFile: ./p256.pem }";
const OTHER = "{ pemFile: ./p256-other.pem }";

const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The other valid signature that ECDSA has for the same text. */
function otherSignature(token: string): string {
  const dot = token.lastIndexOf(".");
  const bytes = decode(token.slice(dot + 1));
  const s = N - toInteger(bytes.subarray(32));
  return `${token.slice(0, dot)}.${encode(Buffer.concat([bytes.subarray(0, 32), toBytes(s, 32)]))}`;
}

async function attackedWith(
  text: string,
  digests: readonly string[] = [],
): Promise<Attacked & { close(): Promise<void> }> {
  const deployment = await deploy(text, {
    commands: [
      revokeBy({ realm: "es256", kind: "jti", value: "revoked" }, NOW + 100_000),
      ...digests.map((value) => revokeBy({ realm: "es256", kind: "digest", value }, NOW + 100_000)),
    ],
  });
  const client = createClient(deployment.grpc);
  return {
    deployment,
    client,
    close: async () => {
      client.close();
      await deployment.close();
    },
  };
}

describe("attacks on remembered facts", () => {
  const BY_DIGEST: Target = { ...ES256, claims: { exp: NOW + 3600, sub: "revoked by digest" } };
  let service: Attacked & { close(): Promise<void> };
  before(async () => {
    service = await attackedWith(configuration(P256), [tokenContentDigest(makeToken(BY_DIGEST))]);
  });
  after(() => service.close());

  for (const target of [ES256, RS256, HS256]) {
    it(`${target.realm}: near copies of a verified token are refused, before and after it was verified`, async () => {
      const token = makeToken(target, { payload: claimsWith({ sub: `nearly ${target.realm}` }) });
      const dot = token.lastIndexOf(".");
      const near: Readonly<Record<string, string>> = {
        [`${token}=`]: "TOKEN_MALFORMED",
        [`${token} `]: "TOKEN_MALFORMED",
        [`${token}\n`]: "TOKEN_MALFORMED",
        [`${token}.`]: "TOKEN_MALFORMED",
        [`${token}\0`]: "TOKEN_MALFORMED",
        [token.slice(0, dot + 1)]: "SIGNATURE_INVALID",
        [`${token.slice(0, dot)}.${encode(Buffer.alloc(decode(token.slice(dot + 1)).length))}`]: "SIGNATURE_INVALID",
        [token.replace(/^[^.]*/, encode(`{"alg":"${target.algorithm}" }`))]: "SIGNATURE_INVALID",
        [token.replace(/^[^.]*/, encode('{"alg":"none"}'))]: "ALGORITHM_MISMATCH alg",
        [token.replace(/\.[^.]*\./, `.${encode(JSON.stringify({ ...target.claims, sub: "another" }))}.`)]:
          "SIGNATURE_INVALID",
      };
      for (let times = 0; times < 2; times++) {
        for (const [text, reason] of Object.entries(near)) await expectGrpc(service, target, text, reason);
        await expectGrpc(service, target, token, "verified");
      }
    });
  }

  it("a token that was verified in its own realm is refused in others", async () => {
    const token = makeToken(ES256, { payload: claimsWith({ sub: "elsewhere" }) });
    await expectGrpc(service, ES256, token, "verified");
    for (const realm of ["rs256", "hs256"])
      await expectGrpc(service, { ...ES256, realm }, token, "ALGORITHM_MISMATCH alg");
    await expectGrpc(service, ES256, token, "verified");
  });

  it("a second valid signature does not help a revoked token, whether it was revoked by jti or by digest", async () => {
    const byJti = makeToken(ES256, { payload: claimsWith({ jti: "revoked" }) });
    for (const token of [byJti, makeToken(ES256, { payload: claimsWith({ jti: "revoked" }) })]) {
      for (const one of [token, otherSignature(token)]) await expectGrpc(service, ES256, one, "TOKEN_REVOKED jti");
    }
    for (const token of [makeToken(BY_DIGEST), makeToken(BY_DIGEST)]) {
      for (const one of [token, otherSignature(token)]) await expectGrpc(service, BY_DIGEST, one, "TOKEN_REVOKED");
    }
    const control = makeToken(ES256, { payload: claimsWith({ jti: "good" }) });
    for (const one of [control, otherSignature(control)]) await expectGrpc(service, ES256, one, "verified");
  });

  it("tokens that share a header, or parts of one, keep their own contents", async () => {
    const subjects = ["first", "second", "Ünï", "first "];
    const tokens = subjects.map((sub) => makeToken(HS256, { payload: claimsWith({ sub, jti: `of ${sub}` }) }));
    for (let round = 0; round < 3; round++) {
      for (const [index, token] of tokens.entries()) {
        const answer = (await service.client.verify({ realm: HS256.realm, token })) as Record<string, any>;
        expect(JSON.stringify(answer), `round ${round}`).to.include(`"of ${subjects[index]}"`);
        for (const other of subjects.filter((_, at) => at !== index)) {
          expect(JSON.stringify(answer)).not.to.include(`"of ${other}"`);
        }
      }
    }
    // A header that only forged tokens have is not shared, and one that was shared changes nothing for a forgery.
    const forged = makeToken({ ...HS256, key: "integuru" }, { payload: claimsWith({ sub: "first" }) });
    await expectGrpc(service, HS256, forged, "SIGNATURE_INVALID");
    await expectGrpc(service, HS256, tokens[0]!, "verified");
  });

  it("a remembered token expires on time", async () => {
    const token = makeToken(HS256, { payload: claimsWith({ exp: NOW + 10 }) });
    await expectGrpc(service, HS256, token, "verified");
    try {
      service.deployment.clock.set((NOW + 10) * 1000);
      await expectGrpc(service, HS256, token, "TOKEN_EXPIRED exp");
    } finally {
      service.deployment.clock.set(NOW * 1000);
    }
    await expectGrpc(service, HS256, token, "verified");
  });

  it("a retired key's tokens stop verifying at once, and verify again when it comes back", async () => {
    const folders = [configuration(`${P256}, ${OTHER}`), configuration(OTHER, "integuru"), configuration(P256)].map(
      makeFolder,
    );
    try {
      const es = makeToken(ES256, { payload: claimsWith({ sub: "kept" }) });
      const unseen = makeToken(ES256, { payload: claimsWith({ sub: "unseen" }) });
      const hs = makeToken(HS256, { payload: claimsWith({ sub: "kept" }) });
      const expectAll = async (esOutcome: string, hsOutcome: string): Promise<void> => {
        await expectGrpc(service, ES256, es, esOutcome);
        await expectGrpc(service, HS256, hs, hsOutcome);
      };
      await expectAll("verified", "verified");
      service.deployment.core.reload(folders[0]!.config);
      await expectAll("verified", "verified");
      service.deployment.core.reload(folders[1]!.config);
      await expectAll("SIGNATURE_INVALID", "SIGNATURE_INVALID");
      await expectGrpc(service, ES256, unseen, "SIGNATURE_INVALID");
      await expectGrpc(
        service,
        { ...ES256, key: "p256-other" },
        makeToken({ ...ES256, key: "p256-other" }),
        "verified",
      );
      service.deployment.core.reload(folders[2]!.config);
      await expectAll("verified", "verified");
      await expectGrpc(service, ES256, unseen, "verified");
    } finally {
      for (const folder of folders) folder.remove();
    }
  });

  it("a flood of tokens stays within the cache's bound, and refused tokens are not remembered", async () => {
    const flooded = await attackedWith(configuration(P256, "hs256", "256KiB"));
    try {
      const { core } = flooded.deployment;
      const ask = (tokens: readonly string[]) =>
        flooded.client.batch(tokens.map((token) => ({ realm: "hs256", token })));
      const forged = Array.from({ length: 500 }, (_, index) =>
        makeToken({ ...HS256, key: "integuru" }, { payload: claimsWith({ index }) }),
      );
      await ask(forged);
      expect(core.stats().factBytes).to.equal(0);
      for (let round = 0; round < 4; round++) {
        await ask(
          Array.from({ length: 500 }, (_, index) => makeToken(HS256, { payload: claimsWith({ round, index }) })),
        );
        expect(core.stats().factBytes)
          .to.be.above(50_000)
          .and.to.be.at.most(256 * 1024);
      }
    } finally {
      await flooded.close();
    }
  });
});
