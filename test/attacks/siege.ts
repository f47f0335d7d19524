import net from "node:net";
import { join } from "node:path";
import type tls from "node:tls";
import { expect } from "chai";
import { mint } from "../../src/cli/mint.js";
import { loadConfig } from "../../src/config/load.js";
import { configuration, end, folderOf, start } from "../cli/harness.js";
import { INTEGURU, Wire } from "../http/harness.js";
import { pki } from "../support/certificates.js";
import { createClient } from "../support/grpc.js";
import { requestBytes } from "../support/http.js";

// A service in its own process, an attacker who floods it from one address, and another caller who wants answers.

/** The attackers' address; all of 127.0.0.0/8 is this machine, and other callers come from 127.0.0.1. */
const ATTACKER = "127.0.0.2";

/** Makes the service collect garbage at a signal, and say so in a line apart from its log. */
const COLLECTING = [
  "--expose-gc",
  "--import",
  `data:text/javascript,import fs from "node:fs"; let times = 0;
process.on("SIGUSR2", () => { gc(); fs.writeSync(1, "collected " + ++times + "\\n"); })`,
];

/** A service under attack. */
export interface Besieged {
  port(name: string): number;
  /** The TLS options of a client of the port `admin`, the only one with TLS. */
  readonly trust: tls.ConnectionOptions;
  /** Opens a connection from the attacker's address. @param first the bytes that are sent at once */
  attacker(port: string, first: Buffer | string): net.Socket;
  /** Signs a token for a realm. */
  mint(realm: string, ...claims: readonly string[]): Promise<string>;
  /** The value of a series of its metrics, or 0 if there is none. */
  metric(series: string): Promise<number>;
  /** The bytes of the heap that are in use after a garbage collection. */
  held(): Promise<number>;
  /** Asks about good and bad tokens at each port as another caller. @throws if an answer is wrong */
  expectRight(): Promise<void>;
  /** Ends the service. @throws if it reported a fault of its own */
  end(): Promise<void>;
}

/** Starts a service to attack. @param more top-level keys for its configuration */
export async function besiege(more: string): Promise<Besieged> {
  const { authority, server } = pki();
  const ports = `metrics: 127.0.0.1:0
admin: { address: "127.0.0.1:0", tls: { certFile: ./server.crt, keyFile: ./server.key } }
log: { level: info, calls: none }
drain: { delay: 0s, timeout: 1s }
${more}`;
  const folder = folderOf(configuration(ports), { "server.crt": server.cert, "server.key": server.key });
  const config = loadConfig(join(folder, "verifier.yaml"), { env: {} });
  const sign = (realm: string, ...claim: readonly string[]): Promise<string> =>
    mint(config, { realm, claim, expires: "1h" }, Date.now());
  const token = await sign("integuru");
  const partner = await sign("partner");
  const expired = await sign("integuru", "exp=1");
  const forged = `${token.slice(0, -8)}AAAAAAAA`;

  const service = start(["serve", "--config", "verifier.yaml"], folder, undefined, COLLECTING);
  const addresses = await service.ready();
  const port = (name: string): number => Number(addresses[name]?.split(":").at(-1));
  const client = createClient(addresses["grpc"] ?? "");
  let collected = 0;
  const rest = async (bearer: string): Promise<number> => {
    const headers = [["Authorization", `Bearer ${bearer}`]] as const;
    return (await new Wire(port("http")).send(requestBytes({ method: "POST", target: INTEGURU, headers })).answer())
      .status;
  };
  const metric = async (series: string): Promise<number> => {
    const text = await (await fetch(`http://${addresses["metrics"]}/metrics`)).text();
    const line = text.split("\n").find((one) => one.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1) ?? 0);
  };
  return {
    port,
    trust: { ca: authority.cert, ALPNProtocols: ["h2"] },
    attacker(name, first) {
      const socket = net.connect({ port: port(name), host: "127.0.0.1", localAddress: ATTACKER });
      socket.on("error", () => {});
      if (first.length > 0) socket.write(first);
      return socket;
    },
    mint: sign,
    metric,
    async held() {
      service.kill("SIGUSR2");
      collected++;
      await service.until(`collected ${collected}\n`);
      return metric("nodejs_heap_size_used_bytes");
    },
    async expectRight() {
      const [good, other, late, wrong, ...statuses] = await Promise.all([
        client.verify({ realm: "integuru", token }),
        client.verify({ realm: "partner", token: partner }),
        client.verify({ realm: "integuru", token: expired }),
        client.verify({ realm: "integuru", token: forged }),
        rest(token),
        rest(expired),
      ]);
      for (const answer of [good, other]) expect(answer).to.have.nested.property("verdict.verified");
      expect(late).to.have.nested.property("verdict.rejected.reason", "REASON_TOKEN_EXPIRED");
      expect(wrong).to.have.nested.property("verdict.rejected.reason", "REASON_SIGNATURE_INVALID");
      expect(statuses).to.deep.equal([200, 401]);
    },
    async end() {
      client.close();
      const { code, stderr } = await end(service);
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
      expect(service.lines().filter(({ level }) => level === "error" || level === "fatal")).to.deep.equal([]);
    },
  };
}

/** Resolves once a connection is over, however it ends. */
export function overWith(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
}
