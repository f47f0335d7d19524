import { expect } from "chai";
import fc from "fast-check";
import type { Credential, Proof, VerificationRequest } from "../../src/contract/verifier.js";
import { type FoldedBatch, foldBatch } from "../../src/grpc/fold.js";
import { MAX_CALLERS } from "../../src/grpc/limits.js";
import { Secret } from "../../src/util/secret.js";

const LIMITS = { batch: 5_000 };
const instance = (key: string): Credential => ({ kind: "instance", secretKey: new Secret(key) });
const client = (clientId: string, secret: string): Credential => ({
  kind: "client",
  clientId,
  clientSecret: new Secret(secret),
});
const proof: Proof = { dpop: undefined, clientCertificate: { form: "sha256", bytes: Buffer.alloc(32) } };

/** A request, of new objects each time, so that nothing is equal by identity. */
const request = (other: Partial<VerificationRequest> & { readonly text?: string } = {}): VerificationRequest => {
  const { text = "token", ...members } = other;
  return {
    realm: "realm",
    token: new Secret(text),
    credential: instance("key"),
    workload: undefined,
    explain: false,
    proof: undefined,
    ...members,
  };
};

function fold(requests: readonly VerificationRequest[]): FoldedBatch {
  const batch = foldBatch(requests, LIMITS, undefined);
  if (typeof batch === "string") throw new Error(batch);
  return batch;
}

describe("equal requests of a batch", () => {
  it("two equal requests are one, and a third that differs is another", () => {
    const { distinct, places } = fold([request(), request(), request({ text: "other" })]);
    expect(distinct.map(({ count }) => count)).to.deep.equal([2, 1]);
    expect(places).to.deep.equal([distinct[0], distinct[0], distinct[1]]);
  });

  const DIFFERENT: Readonly<Record<string, readonly [VerificationRequest, VerificationRequest]>> = {
    realm: [request(), request({ realm: "Realm" })],
    token: [request(), request({ text: "token " })],
    explain: [request(), request({ explain: true })],
    "credential, which one lacks": [request(), request({ credential: undefined })],
    "secret key": [request(), request({ credential: instance("Key") })],
    "client id": [request({ credential: client("a", "b") }), request({ credential: client("c", "b") })],
    "client secret": [request({ credential: client("a", "b") }), request({ credential: client("a", "c") })],
    "kind of credential": [request({ credential: instance("ab") }), request({ credential: client("", "ab") })],
    "end of the client id": [request({ credential: client("a", "bc") }), request({ credential: client("ab", "c") })],
    "proof, which one lacks": [request(), request({ proof })],
    "nothing, but both have a proof": [request({ proof }), request({ proof })],
  };
  for (const [what, pair] of Object.entries(DIFFERENT)) {
    it(`two requests that differ in their ${what} are two, in either order and among others`, () => {
      const [one, other] = pair;
      for (const requests of [
        [one, other],
        [other, one],
        [request({ text: "x" }), one, request({ realm: "x" }), other, request({ text: "x" })],
      ]) {
        const { places } = fold(requests);
        expect(places[requests.indexOf(one)]).not.to.equal(places[requests.indexOf(other)]);
      }
    });
  }

  it("each distinct request has the places of its equals, whatever the requests are", () => {
    const some = fc.record({
      realm: fc.constantFrom("a", "b", "c"),
      text: fc.constantFrom("s", "t", "u"),
      credential: fc
        .constantFrom(0, 1, 2, 3, 4)
        .map((n) => [undefined, instance("a"), instance("b"), client("a", "b"), client("ab", "")][n]),
      explain: fc.boolean(),
      proof: fc.option(fc.constant(proof), { nil: undefined, freq: 8 }),
    });
    fc.assert(
      fc.property(fc.array(some, { maxLength: 40 }), (members) => {
        const requests = members.map(request);
        const keys = requests.map(({ realm, token, credential, explain, proof: own }, place) =>
          JSON.stringify([
            realm,
            token.reveal(),
            credential?.kind === "client"
              ? [credential.clientId, credential.clientSecret.reveal()]
              : credential?.secretKey.reveal(),
            explain,
            own && place,
          ]),
        );
        const { distinct, places } = fold(requests);
        expect(distinct.map((one) => places.indexOf(one))).to.deep.equal(
          [...new Set(keys)].map((key) => keys.indexOf(key)),
        );
        expect(places.map((one) => keys.indexOf(keys[distinct.indexOf(one)] ?? ""))).to.have.length(keys.length);
        for (const [place, one] of places.entries()) {
          expect(keys[places.indexOf(one)]).to.equal(keys[place]);
          expect(one.count).to.equal(keys.filter((key) => key === keys[place]).length);
        }
      }),
    );
  });

  const MANY = 1000;
  for (const [what, count, make] of [
    ["of one token", 1, () => request()],
    ["of as many tokens", MANY, (index: number) => request({ text: `t${index}` })],
    ["of one token in as many realms", MANY, (index: number) => request({ realm: `r${index}` })],
    ["of one token, all with a proof", MANY, () => request({ proof })],
  ] as const) {
    it(`a thousand requests ${what} are ${count}`, () => {
      const { distinct, places } = fold(Array.from({ length: MANY }, (_, index) => make(index)));
      expect([distinct.length, places.length]).to.deep.equal([count, MANY]);
    });
  }

  it("every distinct request has the names in the certificate of the connection", () => {
    const batch = foldBatch([request(), request({ proof })], LIMITS, ["DNS:a"]);
    if (typeof batch === "string") throw new Error(batch);
    expect(batch.distinct.map((one) => one.request.workload)).to.deep.equal([["DNS:a"], ["DNS:a"]]);
  });

  it("a batch of more distinct credentials than allowed is refused, proofs or not, and one of as many is not", () => {
    for (const own of [undefined, proof]) {
      const of = (count: number) =>
        Array.from({ length: 3 * count }, (_, index) =>
          request({ credential: instance(`${index % count}`), proof: own }),
        );
      expect(foldBatch(of(MAX_CALLERS + 1), LIMITS, undefined)).to.equal("TOO_MANY_CALLERS");
      expect(fold(of(MAX_CALLERS)).places).to.have.length(3 * MAX_CALLERS);
      expect(fold([...of(MAX_CALLERS), request({ credential: undefined })]).places).to.have.length(25);
    }
  });
});
