import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { VerifyTokenRequest } from "../gen/tokenverifier/v1/token_verifier.js";
import { mint } from "../src/cli/mint.js";
import { loadConfig } from "../src/config/load.js";
import { pki } from "../test/support/certificates.js";
import { type Load, load, type Measured, start } from "./measured.js";

// npx tsx bench/tls.ts (after npm run build): the CPU that a unary call for a token seen before costs the service in the
// clear, over TLS, and over mutual TLS to a realm that knows its callers by certificate; in turn, in one run.

const ROUNDS = 9;
const REQUESTS = 5000;
const { authority, server, workload } = pki();
const folder = mkdtempSync(path.join(tmpdir(), "verifier-bench-"));
const write = (name: string, text: string): string => {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
};
write("server.pem", server.cert);
write("server.key", server.key);
write("ca.pem", authority.cert);
const TLS = "certFile: server.pem, keyFile: server.key";

interface Contender {
  readonly name: string;
  readonly measured: Measured;
  readonly send: Load;
  readonly figures: number[];
}

async function contender(name: string, tls: string, callers: string): Promise<Contender> {
  const config = write(
    `${name}.yaml`,
    `grpc: { address: "127.0.0.1:0"${tls} }\nrealms:\n  partner: { algorithms: [HS256], issuer: a, audience: null, keys: [{ secret: a-secret-that-is-used-for-benchmarks-only }], callers: ${callers} }\n`,
  );
  const token = await mint(
    loadConfig(config, { env: {} }),
    { realm: "partner", claim: [], expires: "24h" },
    Date.now(),
  );
  const measured = await start("service", config);
  const secured = credentials.createSsl(
    Buffer.from(authority.cert),
    Buffer.from(workload.key),
    Buffer.from(workload.cert),
  );
  const address = measured.ready.addresses?.["grpc"] ?? "";
  const client = new Client(
    address.replace("127.0.0.1", "localhost"),
    tls === "" ? credentials.createInsecure() : secured,
  );
  const bytes = Buffer.from(
    VerifyTokenRequest.encode(VerifyTokenRequest.fromPartial({ realm: "partner", token })).finish(),
  );
  const asIs = (given: Buffer): Buffer => given;
  const send = load(
    64,
    () =>
      new Promise<void>((resolve, reject) => {
        client.makeUnaryRequest("/tokenverifier.v1.TokenVerifier/VerifyToken", asIs, asIs, bytes, (error, answer) =>
          error === null && (answer?.[0] ?? 0) === 0x0a ? resolve() : reject(error ?? new Error("not verified")),
        );
      }),
  );
  return { name, measured, send, figures: [] };
}

const contenders = [
  await contender("plain", "", "anyone"),
  await contender("tls", `, tls: { ${TLS} }`, "anyone"),
  await contender("mutual", `, tls: { ${TLS}, clientCaFile: ca.pem }`, `{ san: ["spiffe://internal.example/web"] }`),
];
try {
  for (const { send } of contenders) await send(REQUESTS);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { measured, send, figures } of contenders) {
      const before = await measured.cpu();
      await send(REQUESTS);
      figures.push(((await measured.cpu()) - before) / REQUESTS);
    }
  }
  console.log(`CPU of the service per unary call, median of ${ROUNDS} rounds of ${REQUESTS}`);
  for (const { name, figures } of contenders) {
    const sorted = figures.toSorted((a, b) => a - b);
    const [min, median, max] = [sorted[0], sorted[Math.floor(ROUNDS / 2)], sorted.at(-1)].map((one) => one?.toFixed(1));
    console.log(`  ${name.padEnd(8)} ${median} µs  (${min} to ${max})`);
  }
} finally {
  for (const { measured } of contenders) measured.stop();
  rmSync(folder, { recursive: true });
}
process.exit(0);
