import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { certify } from "../support/certificates.js";
import { keyOf } from "../support/keys.js";
import { makeProof, PROVEN, type ProofSpec, sha256, thumbprintOf } from "../support/proofs.js";
import { makeToken } from "../support/token.js";
import { type Ended, folderOf, run } from "./harness.js";

// `verify` with what the sender of a bound token proved.

const AT = ["--at", "2027-01-15T08:00:00Z"];
const { cert } = certify("client");
const tokenOf = (cnf: object): string =>
  makeToken({ key: "p256", header: { alg: "ES256" }, claims: { exp: 1_800_003_600, cnf } });
const BOUND = tokenOf({ jkt: thumbprintOf("p256-other") });
const CERTIFIED = tokenOf({ "x5t#S256": sha256(new X509Certificate(cert).raw) });

describe("verify with proofs", () => {
  let folder: string;
  before(() => {
    folder = folderOf(
      "grpc: 127.0.0.1:0\nrealms:\n  r: { algorithms: [ES256], issuer: null, audience: null, keys: [{ pemFile: ./p256.pem }] }\n",
    );
    writeFileSync(join(folder, "p256.pem"), keyOf("p256").publicPem ?? "");
    writeFileSync(join(folder, "client.pem"), cert);
    writeFileSync(join(folder, "client.der"), new X509Certificate(cert).raw);
    writeFileSync(join(folder, "none.pem"), "none");
  });

  const verify = (token: string, ...args: readonly string[]): Promise<Ended> =>
    run(["verify", "--realm", "r", "--config", "verifier.yaml", ...AT, ...args, "-"], folder, token);
  const proven = (spec: ProofSpec = {}, url = PROVEN.url): readonly string[] => [
    "--dpop",
    makeProof(BOUND, spec),
    "--method",
    "GET",
    "--url",
    url,
  ];

  it("verify takes a DPoP proof with the method and URL of its request", async () => {
    const { code, stdout } = await verify(BOUND, ...proven());
    expect(code, stdout).to.equal(0);
    const bearer = await verify(BOUND);
    expect(bearer.code).to.equal(1);
    expect(bearer.stdout).to.match(/^rejected: PROOF_MISSING \(cnf\)$/m);
  });

  it("verify says which URL a proof should have been for, and --explain which part of it is wrong", async () => {
    const { code, stdout } = await verify(BOUND, ...proven({}, "http://api.example/orders"));
    expect(code).to.equal(1);
    expect(stdout).to.match(/^rejected: PROOF_MISMATCH \(htu\)$/m);
    expect(stdout).to.include("The request is to http://api.example/orders; 'htu' of the proof differs in its scheme.");
    const explained = await verify(BOUND, "--explain", ...proven({ tamper: ["flip signature"] }));
    expect(explained.stdout).to.match(/^ *FAIL +proof .*The signature does not verify under 'jwk'\.$/m);
  });

  it("verify takes a client certificate in PEM or DER", async () => {
    for (const file of ["client.pem", "client.der"]) {
      const { code, stdout } = await verify(CERTIFIED, "--client-certificate", file);
      expect(code, stdout).to.equal(0);
    }
    expect((await verify(BOUND, "--client-certificate", "client.pem")).stdout).to.include("PROOF_MISSING");
  });

  for (const [args, message] of [
    [["--dpop", "x", "--method", "GET"], "Give --dpop, --method and --url together."],
    [["--url", "https://api.example"], "Give --dpop, --method and --url together."],
    [["--client-certificate", "none.pem"], "none.pem is not a certificate in PEM or DER."],
  ] as const) {
    it(`verify with ${args[0]} that cannot be used says what is missing`, async () => {
      const { code, stderr } = await verify(BOUND, ...args);
      expect({ code, stderr }).to.deep.equal({ code: 2, stderr: `${message}\n` });
    });
  }
});
