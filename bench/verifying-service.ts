import { writeFileSync } from "node:fs";
import path from "node:path";
import { deploy } from "./deployment.js";
import { instancesWithUsers } from "./directory-data.js";
import { CLIENT, FACES, USERS } from "./faces.js";
import { type Measured, start } from "./measured.js";
import { AUDIENCE, ISSUER, type Signer } from "./tokens.js";

/** A running service whose realms verify the benchmarks' tokens. */
export interface VerifyingService extends Measured {
  /** The addresses of its ports. */
  readonly grpc: string;
  readonly http: string;
  /** Returns how many tokens it had seen before, and how many it had not, since its start. */
  lookups(): Promise<{ readonly hit: number; readonly miss: number }>;
}

/** Returns the name of one of the realms that share an algorithm and its key. */
export const realmName = ({ algorithm }: Signer, n: number): string =>
  `${algorithm.toLowerCase()}-${String(n).padStart(3, "0")}`;

/**
 * Starts a service, with the vendors' realms and a directory of their users.
 *
 * @param signers of the realms without a preset, and of the vendors' own keys
 * @param realms the number of realms for each signer
 * @param facts the size of the cache of tokens seen before (default: that of the service)
 */
export async function startVerifying(
  signers: readonly Signer[],
  realms: number,
  facts?: string,
): Promise<VerifyingService> {
  const generic = signers.flatMap((signer) =>
    Array.from({ length: realms }, (_, n) => [
      realmName(signer, n),
      { algorithms: [signer.algorithm], issuer: ISSUER, audience: AUDIENCE, keys: [signer.entry] },
    ]),
  );
  const vendors = FACES.map(({ vendor, algorithm }) => {
    const signer = signers.find((one) => one.algorithm === algorithm);
    return [vendor, { preset: vendor, ...(signer && { keys: [signer.entry] }) }];
  });
  const config = {
    grpc: "127.0.0.1:0",
    http: { address: "127.0.0.1:0", rpc: generic.map(([name]) => name) },
    metrics: "127.0.0.1:0",
    store: "sqlite:./verifier.db",
    masterKey: Buffer.alloc(32, "benchmark").toString("base64"),
    directory: "./directory.yaml",
    log: { level: "warn" },
    ...(facts !== undefined && { cache: { facts } }),
    realms: Object.fromEntries([...generic, ...vendors]) as object,
  };
  // JSON is YAML.
  const deployment = deploy(JSON.stringify(config));
  const directory = { instances: instancesWithUsers(USERS), clients: [CLIENT] };
  writeFileSync(path.join(deployment.folder, "directory.yaml"), JSON.stringify(directory));
  const server = await start("service", deployment.config);
  const { grpc = "", http = "", metrics = "" } = server.ready.addresses ?? {};
  return {
    ...server,
    grpc,
    http,
    async lookups() {
      const text = await (await fetch(`http://${metrics}/metrics`)).text();
      const count = (result: string): number =>
        Number(
          new RegExp(`^tokenverifier_fact_cache_lookups_total\\{result="${result}"\\} (\\d+)`, "m").exec(text)?.[1],
        );
      return { hit: count("hit"), miss: count("miss") };
    },
    stop() {
      server.stop();
      deployment.remove();
    },
  };
}
