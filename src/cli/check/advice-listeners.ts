import { isIPv4 } from "node:net";
import type { Config, GatewayConfig } from "../../config/load.js";
import { readAddress } from "../../net/listen.js";
import { tlsKind } from "../../net/tls.js";
import type { Advice } from "./findings.js";

/** What of a configuration is about listening: that of a gateway on its own has it too. */
export interface Listening extends Pick<Config, "http" | "metrics" | "trustedProxies" | "faces"> {
  readonly grpc?: Config["grpc"];
  readonly admin?: Config["admin"];
  readonly upstream?: GatewayConfig["upstream"];
}

/** A network of so few fixed bits is no list of proxies. */
const FEWEST_BITS = 8;

/** Mistakes about where the service listens, and whom it believes. */
export const LISTENER_ADVICE: readonly Advice<Listening>[] = [
  {
    name: "nothing-listens",
    level: "warning",
    find: ({ grpc, http, admin }) =>
      (grpc ?? http ?? admin) === undefined ? [{ place: "grpc", message: "nothing has an address to listen at" }] : [],
    cure: "Give grpc or http an address, such as grpc: 127.0.0.1:50051.",
  },
  {
    name: "same-address",
    level: "error",
    find: (config) => {
      const all = listenersOf(config);
      return all.flatMap(({ name, address }, at) => {
        const other = all.slice(0, at).find((one) => isSame(one.address, address));
        return other === undefined ? [] : [{ place: name, message: `listens where ${other.name} does (${address})` }];
      });
    },
    cure: "Give each listener a port of its own.",
  },
  {
    name: "admin-exposed",
    level: "warning",
    find: ({ admin }) => exposed("admin", admin, "operators' port can be reached from other machines"),
    cure: "Listen at 127.0.0.1 or at a unix: socket, let a firewall keep strangers out, or give it a tls with a clientCaFile.",
  },
  {
    name: "metrics-exposed",
    level: "warning",
    find: ({ metrics }) => exposed("metrics", metrics, "metrics can be read from other machines, without a password"),
    cure: "Listen at 127.0.0.1, let a firewall admit the scraper alone, or give it a tls with a clientCaFile.",
  },
  {
    name: "everybody-trusted",
    level: "warning",
    find: ({ trustedProxies }) =>
      trustedProxies.flatMap((network, index) => {
        const bits = network.split("/")[1];
        if (bits === undefined || Number(bits) >= FEWEST_BITS) return [];
        const message = `${network} is nearly everybody: any caller may name itself any address, and limits by address mean nothing`;
        return [{ place: `trustedProxies[${index}]`, message }];
      }),
    cure: "List the proxies' own addresses, or their network, such as 10.0.3.0/24.",
  },
  {
    name: "no-face",
    level: "warning",
    find: ({ http, faces }) =>
      http === undefined || faces.length > 0 || http.rpc.length > 0
        ? []
        : [{ place: "http", message: "shows no face and no RPC: every path is answered with 404" }],
    cure: "Give a realm a vendor's preset and its name, bind one under http.faces, or name realms under http.rpc; or leave http out.",
  },
];

function listenersOf({ grpc, http, admin, metrics }: Listening): { readonly name: string; readonly address: string }[] {
  return Object.entries({ grpc, http, admin, metrics }).flatMap(([name, port]) =>
    port === undefined ? [] : [{ name, address: port.address }],
  );
}

const EVERYWHERE = ["0.0.0.0", "::"];

/** Whether the second of two listeners would find the port taken. Port 0 is any free one. */
function isSame(one: string, other: string): boolean {
  const [a, b] = [readAddress(one), readAddress(other)];
  if (a === undefined || b === undefined) return false;
  if ("path" in a || "path" in b) return "path" in a && "path" in b && a.path === b.path;
  if (a.port !== b.port || a.port === 0) return false;
  const hosts = [a.host, b.host].map((host) => (host === "localhost" ? "127.0.0.1" : host));
  return hosts[0] === hosts[1] || hosts.some((host) => EVERYWHERE.includes(host));
}

/** A port that strangers can reach: where clients must show certificates, they cannot. */
function exposed(place: string, port: Config["admin"], what: string): { place: string; message: string }[] {
  if (port === undefined || isLocal(port.address) || tlsKind(port.tls) === "mutual") return [];
  return [{ place, message: `${port.address}: ${what}` }];
}

/** True where only this machine can connect. */
function isLocal(address: string): boolean {
  const at = readAddress(address);
  if (at === undefined || "path" in at) return true;
  return at.host === "localhost" || at.host === "::1" || (isIPv4(at.host) && at.host.startsWith("127."));
}
