import type { Config, GatewayConfig } from "../../config/load.js";
import { isLocalAddress, readAddress } from "../../net/port.js";
import { tlsKind } from "../../net/tls.js";
import { type CertificateFault, faultyCertificates } from "../../server/certificates.js";
import type { CheckRule, Fault } from "./findings.js";

/** The listeners of a configuration, also of a gateway on its own. */
interface Listening extends Pick<Config, "http" | "metrics" | "trustedProxies" | "faces"> {
  readonly grpc?: Config["grpc"];
  readonly admin?: Config["admin"];
  readonly upstream?: GatewayConfig["upstream"];
  /** The time of the check, in milliseconds since 1970. */
  readonly now: number;
}

/** The shortest prefix of a network that is plausible as a list of proxies, in bits. */
const MIN_PREFIX = 8;

/** Likely mistakes about listeners, their certificates, and the proxies that the service trusts. */
export const LISTENER_RULES: readonly CheckRule<Listening>[] = [
  {
    name: "nothing-listens",
    level: "warning",
    find: ({ grpc, http, admin }) =>
      (grpc ?? http ?? admin) === undefined ? [{ place: "grpc", message: "no listener has an address" }] : [],
    fix: "Give grpc or http an address, such as grpc: 127.0.0.1:50051.",
  },
  {
    name: "same-address",
    level: "error",
    find: (config) => {
      const all = listenersOf(config);
      return all.flatMap(({ name, address }, at) => {
        const other = all.slice(0, at).find((one) => isSame(one.address, address));
        return other === undefined ? [] : [{ place: name, message: `uses the address of ${other.name} (${address})` }];
      });
    },
    fix: "Give each listener its own port.",
  },
  {
    name: "admin-exposed",
    level: "warning",
    find: ({ admin }) =>
      admin === undefined || isLocalAddress(admin.address) || admin.tls !== undefined
        ? []
        : [
            {
              place: "admin",
              message: `${admin.address}: operators' keys and new secrets cross the network unencrypted`,
            },
          ],
    fix: "Give admin a tls with certFile and keyFile, or listen at 127.0.0.1 or a unix: socket.",
  },
  {
    name: "metrics-exposed",
    level: "warning",
    find: ({ metrics }) => exposed("metrics", metrics, "other machines can read the metrics without a password"),
    fix: "Listen at 127.0.0.1, let a firewall admit only the scraper, or require client certificates with tls.clientCaFile.",
  },
  {
    name: "everybody-trusted",
    level: "warning",
    find: ({ trustedProxies }) =>
      trustedProxies.flatMap((network, index) => {
        const bits = network.split("/")[1];
        if (bits === undefined || Number(bits) >= MIN_PREFIX) return [];
        const message = `${network} trusts nearly every address: callers can forge their own, which defeats limits by address`;
        return [{ place: `trustedProxies[${index}]`, message }];
      }),
    fix: "List the proxies' own addresses, or their network, such as 10.0.3.0/24.",
  },
  {
    name: "no-face",
    level: "warning",
    find: ({ http, faces }) =>
      http === undefined || faces.length > 0 || http.rpc.length > 0
        ? []
        : [{ place: "http", message: "serves no face and no RPC: every path is answered with 404" }],
    fix: "Name a realm after its vendor's preset, bind a face under http.faces, or name realms under http.rpc; or remove http.",
  },
  {
    name: "certificate-expired",
    level: "warning",
    find: certificateFaults("expired"),
    fix: "Replace the certificate file; a running service reloads it by itself.",
  },
  {
    name: "certificate-early",
    level: "warning",
    find: certificateFaults("early"),
    fix: "Wait, or use a certificate that is valid today. Also check this machine's clock.",
  },
  {
    name: "certificate-expiring",
    level: "warning",
    find: certificateFaults("expiring"),
    fix: "Replace the certificate file in time; a running service reloads it by itself.",
  },
];

function certificateFaults(fault: CertificateFault): CheckRule<Listening>["find"] {
  return (config) =>
    faultyCertificates(config, config.now)
      .filter((one) => one.fault === fault)
      .map(({ place, message }) => ({ place, message }));
}

function listenersOf({ grpc, http, admin, metrics }: Listening): { readonly name: string; readonly address: string }[] {
  return Object.entries({ grpc, http, admin, metrics }).flatMap(([name, port]) =>
    port === undefined ? [] : [{ name, address: port.address }],
  );
}

const ALL_ADDRESSES = ["0.0.0.0", "::"];

/** Whether two listeners would compete for a port. Port 0 is any free one. */
function isSame(one: string, other: string): boolean {
  const [a, b] = [readAddress(one), readAddress(other)];
  if (a === undefined || b === undefined) return false;
  if ("path" in a || "path" in b) return "path" in a && "path" in b && a.path === b.path;
  if (a.port !== b.port || a.port === 0) return false;
  const hosts = [a.host, b.host].map((host) => (host === "localhost" ? "127.0.0.1" : host));
  return hosts[0] === hosts[1] || hosts.some((host) => ALL_ADDRESSES.includes(host));
}

/** Reports a port that other machines can connect to without a client certificate. */
function exposed(place: string, port: Config["metrics"], what: string): Fault[] {
  if (port === undefined || isLocalAddress(port.address) || tlsKind(port.tls) === "mutual") return [];
  return [{ place, message: `${port.address}: ${what}` }];
}
