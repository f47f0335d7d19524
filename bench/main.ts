import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { VerifyTokenRequest, VerifyTokenResponse } from "../gen/tokenverifier/v1/token_verifier.js";
import { mint } from "../src/cli/mint.js";
import { loadConfig } from "../src/config/load.js";
import { compare, type Load, load, start } from "./measured.js";

// npm run bench: the CPU that a verification of a token seen before costs, over unary gRPC and over a REST face, each
// beside the least that grpc-js and Express can do, in one run. `npm run bench -- --rounds 20` for calmer figures.

const option = (name: string, usual: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? usual : Number(process.argv[at + 1]);
};
const plan = { rounds: option("rounds", 9), requests: option("requests", 5000) };

const folder = mkdtempSync(path.join(tmpdir(), "verifier-bench-"));
const config = path.join(folder, "verifier.yaml");
writeFileSync(
  config,
  `grpc: 127.0.0.1:0
http: 127.0.0.1:0
realms:
  integuru: { preset: integuru, keys: [{ secret: a-secret-that-is-used-for-benchmarks-only }] }
`,
);
const token = await mint(loadConfig(config, { env: {} }), { realm: "integuru", claim: [], expires: "24h" }, Date.now());
const service = await start("service", config);
const grpcAddress = service.ready.addresses?.["grpc"] ?? "";
const httpAddress = service.ready.addresses?.["http"] ?? "";

const request = Buffer.from(
  VerifyTokenRequest.encode(VerifyTokenRequest.fromPartial({ realm: "integuru", token })).finish(),
);

/** Asks once over gRPC; the answer's bytes. */
function call(client: Client): Promise<Buffer> {
  const asIs = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest("/tokenverifier.v1.TokenVerifier/VerifyToken", asIs, asIs, request, (error, answer) =>
      error === null && answer !== undefined ? resolve(answer) : reject(error ?? new Error("no answer")),
    );
  });
}

function grpcLoad(address: string, expected: number): Load {
  const client = new Client(address, credentials.createInsecure());
  return load(64, async () => {
    const answer = await call(client);
    if (answer.length !== expected) throw new Error(`an answer of ${answer.length} bytes instead of ${expected}`);
  });
}

/** Asks once over REST; the answer's body. */
function post(address: string, agent: http.Agent): Promise<Buffer> {
  const [host, port] = address.split(":");
  const options = {
    host,
    port,
    agent,
    method: "POST",
    path: "/api/verify-token",
    headers: { Authorization: `Bearer ${token}` },
  };
  return new Promise((resolve, reject) => {
    http
      .request(options, (res) => {
        const chunks: Buffer[] = [];
        res.on("data", (chunk: Buffer) => chunks.push(chunk));
        res.on("end", () => {
          if (res.statusCode === 200) resolve(Buffer.concat(chunks));
          else reject(new Error(`status ${res.statusCode}`));
        });
      })
      .on("error", reject)
      .end();
  });
}

function httpLoad(address: string): Load {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
  return load(32, async () => {
    await post(address, agent);
  });
}

const answer = await call(new Client(grpcAddress, credentials.createInsecure()));
if (VerifyTokenResponse.decode(answer).verdict?.$case !== "verified") throw new Error("the token does not verify");
const body = await post(httpAddress, new http.Agent());

const bareGrpc = await start("bare-grpc", answer.toString("base64"));
const bareExpress = await start("bare-express", body.toString("base64"));
try {
  await compare(
    "unary gRPC, a token seen before",
    { server: service, send: grpcLoad(grpcAddress, answer.length) },
    { server: bareGrpc, send: grpcLoad(bareGrpc.ready.address ?? "", answer.length) },
    plan,
  );
  await compare(
    "Integuru's endpoint, a token seen before",
    { server: service, send: httpLoad(httpAddress) },
    { server: bareExpress, send: httpLoad(bareExpress.ready.address ?? "") },
    plan,
  );
} finally {
  for (const server of [service, bareGrpc, bareExpress]) server.stop();
  rmSync(folder, { recursive: true });
}
process.exit(0);
