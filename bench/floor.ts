import http from "node:http";
import type { Client } from "@grpc/grpc-js";
import { call, channel, requestOf, verified } from "./calls.js";
import { compare, type Plan } from "./compare.js";
import { deploy, SECRET } from "./deployment.js";
import { integuruToken } from "./directory-data.js";
import { type Load, load, start } from "./measured.js";

// Compares the CPU of verifying a token seen before, over unary gRPC and over a REST face, with the minimum that grpc-js
// and Express need, in one run.

const CONFIG = `grpc: 127.0.0.1:0
http: 127.0.0.1:0
realms:
  integuru: { preset: integuru, keys: [{ secret: ${SECRET} }] }
`;

function grpcLoad(client: Client, request: Buffer, expected: number): Load {
  return load(64, async () => {
    const answer = await call(client, request);
    if (answer.length !== expected) throw new Error(`an answer of ${answer.length} bytes instead of ${expected}`);
  });
}

/** Makes one REST request and returns the answer's body. */
function post(address: string, agent: http.Agent, token: string): Promise<Buffer> {
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

function httpLoad(address: string, token: string): Load {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
  return load(32, async () => {
    await post(address, agent, token);
  });
}

/** Compares the service with the floor. */
export async function floor(plan: Plan): Promise<void> {
  const deployment = deploy(CONFIG);
  const token = integuruToken("j", SECRET);
  const request = requestOf("integuru", token);
  const service = await start("service", deployment.config);
  const servers = [service];
  try {
    const { grpc = "", http: rest = "" } = service.ready.addresses ?? {};
    const answer = await call(channel(grpc), request);
    if (verified(answer) === undefined) throw new Error("the token does not verify");
    const body = await post(rest, new http.Agent(), token);
    const bareGrpc = await start("bare-grpc", answer.toString("base64"));
    const bareExpress = await start("bare-express", body.toString("base64"));
    servers.push(bareGrpc, bareExpress);
    const bareClient = channel(bareGrpc.ready.address ?? "");
    await compare(
      "unary gRPC, a token seen before",
      { name: "Token Verifier", server: service, send: grpcLoad(channel(grpc), request, answer.length) },
      { name: "bare", server: bareGrpc, send: grpcLoad(bareClient, request, answer.length) },
      plan,
    );
    await compare(
      "Integuru's endpoint, a token seen before",
      { name: "Token Verifier", server: service, send: httpLoad(rest, token) },
      { name: "bare", server: bareExpress, send: httpLoad(bareExpress.ready.address ?? "", token) },
      plan,
    );
  } finally {
    for (const server of servers) server.stop();
    deployment.remove();
  }
}
