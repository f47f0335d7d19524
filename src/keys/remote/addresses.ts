import { type LookupAddress, type LookupOptions, lookup } from "node:dns";
import net from "node:net";

/**
 * Networks that are not public (IANA's special-purpose registries, RFC 6890): loopback, private, link-local (which includes
 * cloud metadata services), shared, multicast, reserved.
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
  "100:0:0:1::/64",
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "3fff::/20",
  "5f00::/16",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
] as const;

/** The host of a URL, without the brackets of an IPv6 address. */
export const hostOf = ({ hostname }: Pick<URL, "hostname">): string => hostname.replace(/^\[(.*)\]$/, "$1");

const SPECIAL = new net.BlockList();
for (const network of NETWORKS) {
  const [address = "", bits] = network.split("/");
  SPECIAL.addSubnet(address, Number(bits), net.isIPv6(address) ? "ipv6" : "ipv4");
}

/** IPv6 prefixes whose last 32 bits are an IPv4 address: mapped (RFC 4291), translated (RFC 2765, RFC 6052). */
const IPV4_PREFIXES = ["0:0:0:0:0:ffff", "0:0:0:0:ffff:0", "64:ff9b:0:0:0:0"];

/** Whether an IP address is reachable on the public internet. False for text that is not an address. */
export function isPublicAddress(address: string): boolean {
  const family = net.isIP(address);
  if (family === 0) return false;
  if (family === 4) return !SPECIAL.check(address, "ipv4");
  const groups = groupsOf(address);
  if (
    !IPV4_PREFIXES.includes(
      groups
        .slice(0, 6)
        .map((group) => group.toString(16))
        .join(":"),
    )
  ) {
    return !SPECIAL.check(address.replace(/%.*/, ""), "ipv6");
  }
  const [high = 0, low = 0] = groups.slice(6);
  return isPublicAddress([high >> 8, high & 255, low >> 8, low & 255].join("."));
}

/** The eight groups of an IPv6 address in any spelling. */
function groupsOf(address: string): readonly number[] {
  // A URL writes it in lower case, the longest run of zeros as "::", without dots.
  const [front = "", back] = new URL(`http://[${address.replace(/%.*/, "")}]`).hostname.slice(1, -1).split("::");
  const read = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const [first, last] = [read(front), read(back ?? "")];
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}

type LookupCallback = (error: NodeJS.ErrnoException | null, found: LookupAddress[] | string, family?: number) => void;

/**
 * Resolves a host like `dns.lookup`, but yields public addresses only; a name that leads to the private network fails with
 * the code EPRIVATE. The connection uses the very address that was checked, so the name server cannot give another one later.
 *
 * @param resolve default: `dns.lookup`
 */
export function lookupPublic(
  hostname: string,
  options: LookupOptions,
  callback: LookupCallback,
  resolve: typeof lookup = lookup,
): void {
  resolve(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) return callback(error, []);
    const addresses = found.filter(({ address }) => isPublicAddress(address));
    const [first] = addresses;
    if (first === undefined) {
      callback(Object.assign(new Error(`${hostname} has no public address`), { code: "EPRIVATE" }), []);
    } else if (options.all) callback(null, addresses);
    // Node asks for one address when it does not try several in turn.
    else callback(null, first.address, first.family);
  });
}
