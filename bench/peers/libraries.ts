import { createPublicKey } from "node:crypto";
import { createVerifier } from "fast-jwt";
import { jwtVerify } from "jose";
import { pino } from "pino";
import { loadConfig } from "../../src/config/load.js";
import { openCore } from "../../src/server/core.js";
import { Secret } from "../../src/util/secret.js";
import { deploy } from "../deployment.js";
import type { Age, LibraryName } from "../entries.js";
import type { Ask } from "../loads.js";
import { AUDIENCE, ISSUER, type Signer } from "../tokens.js";
import { realmName } from "../verifying-service.js";

// Libraries that verify tokens in the process of the benchmark, beside the service's core in the same process.

/** Tells whether a token is good. */
export type Verify = (ask: Ask) => boolean | Promise<boolean>;

/** Libraries that are ready to verify. */
export interface Libraries {
  verify(library: LibraryName, age: Age): Verify;
  close(): Promise<void>;
}

/** Opens them. @param signer of RS256 @param realms of the core */
export async function openLibraries(signer: Signer, realms: number): Promise<Libraries> {
  const realm = { algorithms: ["RS256"], issuer: ISSUER, audience: AUDIENCE, keys: [signer.entry] };
  const names = Array.from({ length: realms }, (_, n) => [realmName(signer, n), realm]);
  const deployment = deploy(JSON.stringify({ grpc: "127.0.0.1:0", realms: Object.fromEntries(names) as object }));
  const core = await openCore(loadConfig(deployment.config, { env: {} }), {
    clock: Date.now,
    log: pino({ level: "silent" }),
  });
  const context = { requestId: "bench", address: "", deadline: Number.POSITIVE_INFINITY };
  const ours: Verify = ({ realm: name, token }) => {
    const request = { realm: name, token: new Secret(token), credential: undefined, explain: false };
    const outcome = core.verifier.verify(request, context);
    return "then" in outcome ? outcome.then(({ kind }) => kind === "verified") : outcome.kind === "verified";
  };

  const key = createPublicKey(signer.pem ?? "");
  const josed: Verify = async ({ token }) => {
    await jwtVerify(token, key, { issuer: ISSUER, audience: AUDIENCE, algorithms: ["RS256"] });
    return true;
  };
  const fastJwt = (cache: boolean | number): Verify => {
    const options = { key: signer.pem ?? "", algorithms: ["RS256" as const], allowedIss: ISSUER, allowedAud: AUDIENCE };
    const verify = createVerifier({ ...options, cache });
    return ({ token }) => verify(token) !== undefined;
  };
  const [cached, plain] = [fastJwt(10_000), fastJwt(false)];
  return {
    verify: (library, age) => {
      if (library === "our core") return ours;
      if (library === "jose") return josed;
      return age === "seen" ? cached : plain;
    },
    async close() {
      await core.close();
      deployment.remove();
    },
  };
}
