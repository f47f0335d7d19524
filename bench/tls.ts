import { writeFileSync } from "node:fs";
import path from "node:path";
import { credentials } from "@grpc/grpc-js";
import { pki } from "../test/support/certificates.js";
import { call, channel, requestOf, verified } from "./calls.js";
import { type Contender, compare, type Plan } from "./compare.js";
import { deploy, SECRET } from "./deployment.js";
import { integuruToken } from "./directory-data.js";
import { load, start } from "./measured.js";

// Compares the CPU of a unary call for a token seen before over TLS, and over mutual TLS to a realm that identifies its
// callers by certificate, with the same call over plaintext.

const { authority, server, workload } = pki();
const FILES = { "server.pem": server.cert, "server.key": server.key, "ca.pem": authority.cert };
const TLS = "certFile: server.pem, keyFile: server.key";
const SECURED = credentials.createSsl(
  Buffer.from(authority.cert),
  Buffer.from(workload.key),
  Buffer.from(workload.cert),
);

/** Returns the configuration of a service with one realm. @param tls options of its port @param callers of the realm */
const configOf = (tls: string, callers: string): string => `grpc: { address: "127.0.0.1:0"${tls} }
realms:
  partner: { algorithms: [HS256], issuer: null, audience: null, keys: [{ secret: ${SECRET} }], callers: ${callers} }
`;

/** Starts a service in its own folder, and lets it verify the token once. */
async function contender(
  name: string,
  config: string,
  secured: boolean,
): Promise<Contender & { readonly end: () => void }> {
  const deployment = deploy(config);
  for (const [file, text] of Object.entries(FILES)) writeFileSync(path.join(deployment.folder, file), text);
  const started = await start("service", deployment.config);
  const address = (started.ready.addresses?.["grpc"] ?? "").replace("127.0.0.1", "localhost");
  const client = channel(address, secured ? SECURED : undefined);
  const request = requestOf("partner", integuruToken("bench", SECRET));
  const answer = await call(client, request);
  if (verified(answer) === undefined) throw new Error(`${name}: the token is not good`);
  const send = load(64, async () => {
    const { length } = await call(client, request);
    if (length !== answer.length) throw new Error(`an answer of ${length} bytes instead of ${answer.length}`);
  });
  const end = (): void => {
    client.close();
    started.stop();
    deployment.remove();
  };
  return { name, server: started, send, end };
}

/** Compares TLS and mutual TLS with a plaintext port. */
export async function tls(plan: Plan): Promise<void> {
  const all: Awaited<ReturnType<typeof contender>>[] = [];
  const add = async (...of: Parameters<typeof contender>): Promise<Contender> => {
    const one = await contender(...of);
    all.push(one);
    return one;
  };
  try {
    const plain = await add("in the clear", configOf("", "anyone"), false);
    const oneWay = await add("TLS", configOf(`, tls: { ${TLS} }`, "anyone"), true);
    const callers = '{ san: ["spiffe://internal.example/web"] }';
    const mutual = await add("mutual TLS", configOf(`, tls: { ${TLS}, clientCaFile: ca.pem }`, callers), true);
    await compare("A unary call over TLS", oneWay, plain, plan);
    await compare("A unary call over mutual TLS", mutual, plain, plan);
  } finally {
    for (const { end } of all) end();
  }
}
