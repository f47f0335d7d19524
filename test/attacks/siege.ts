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

// A service in a process of its own, somebody who floods it from one address, and somebody else who wants answers.

/** Where attackers come from: all of 127.0.0.0/8 is this machine. The others come from 127.0.0.1. */
const ATTACKER = "127.0.0.2";

/** Has the service collect its garbage at a signal, and say so in a line that is none of its log. */
const COLLECTING = [
  "--expose-gc",
  "--import",
  `data:text/javascript,import fs from "node:fs"; let times = 0;
process.on("SIGUSR2", () => { gc(); fs.writeSync(1, "collected " + ++times + "\\n"); })`,
];

/** A service that is attacked. */
export interface Besieged {
  port(name: string): number;
  /** How a client trusts the port `admin`, which alone has TLS. */
  readonly trust: tls.ConnectionOptions;
  /** A connection from the attacker's address. @param first what is sent at once */
  attacker(port: string, first: Buffer | string): net.Socket;
  /** Signs a token of a realm. */
  mint(realm: string, ...claims: readonly string[]): Promise<string>;
  /** The value of a series of its metrics; 0 where there is none. */
  metric(series: string): Promise<number>;
  /** Bytes of the heap that are held once all garbage was collected. */
  held(): Promise<number>;
  /** Fails where another caller is not given the right answers about good and bad tokens, at each port. */
  expectRight(): Promise<void>;
  /** Ends it; fails where it says that anything was its own fault. */
  end(): Promise<void>;
}

/** Starts one. @param more keys of its configuration's top level */
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
