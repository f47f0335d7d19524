import { type LookupAddress, type LookupAllOptions, lookup } from "node:dns";
import net from "node:net";

/**
 * Networks that are nobody's on the open internet (IANA's special-purpose registries, RFC 6890): loopback, private,
 * link-local (cloud metadata among them), shared, multicast, reserved.
 */
const NETWORKS = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/96",
  "64:ff9b:1::/48",
  "100::/64",
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
] as const;

const SPECIAL = new net.BlockList();
for (const network of NETWORKS) {
  const [address = "", bits] = network.split("/");
  SPECIAL.addSubnet(address, Number(bits), net.isIPv6(address) ? "ipv6" : "ipv4");
}

/** IPv4 addresses that IPv6 carries: mapped (RFC 4291) and translated (RFC 6052), of which only the last 32 bits count. */
const CARRIER = /^(?:::ffff:(?:0:)?|64:ff9b::)/i;

/** Whether an IP address is one that the open internet leads to. False for what is no address. */
export function isPublicAddress(address: string): boolean {
  const family = net.isIP(address);
  if (family === 0) return false;
  if (family === 4) return !SPECIAL.check(address, "ipv4");
  // In the form that a URL gives it: lower case, groups of zeros shortened, no dots.
  const canonical = new URL(`http://[${address.split("%")[0]}]`).hostname.slice(1, -1);
  if (!CARRIER.test(canonical)) return !SPECIAL.check(canonical, "ipv6");
  const [high = 0, low = 0] = canonical
    .replace(CARRIER, "")
    .split(":")
    .map((group) => Number.parseInt(group || "0", 16));
  return isPublicAddress([high >> 8, high & 255, low >> 8, low & 255].join("."));
}

type LookupCallback = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

/**
 * Looks a host up like `dns.lookup`, and gives none but public addresses: a name that leads into the own network is
 * answered like one that leads nowhere. The check stands where the connection is made, so that no second answer of
 * the name server can come in between.
 */
export function lookupPublic(hostname: string, options: LookupAllOptions, callback: LookupCallback): void {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) return callback(error, []);
    const addresses = found.filter(({ address }) => isPublicAddress(address));
    if (addresses.length > 0) return callback(null, addresses);
    callback(Object.assign(new Error(`${hostname} has no public address`), { code: "EPRIVATE" }), []);
  });
}
