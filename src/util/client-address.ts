import net from "node:net";
import { LRUCache } from "lru-cache";

const NETWORK = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/;

/** True for an IP address or a network such as `10.0.0.0/8`. */
export function isNetwork(text: string): boolean {
  const [, address = "", prefix] = NETWORK.exec(text) ?? [];
  const family = net.isIP(address);
  return family !== 0 && (prefix === undefined || Number(prefix) <= (family === 4 ? 32 : 128));
}

/** Matches addresses, as an {@link AddressReader} writes them, against IP addresses and networks that {@link isNetwork} accepts. */
export function addressMatcher(networks: readonly string[]): (address: string) => boolean {
  const list = new net.BlockList();
  for (const text of networks) {
    const [, address = "", prefix] = NETWORK.exec(text) ?? [];
    const family = net.isIPv4(address) ? "ipv4" : "ipv6";
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return (address) => net.isIP(address) !== 0 && list.check(address, net.isIPv4(address) ? "ipv4" : "ipv6");
}

/** Finds the address of a call's caller, as logs and limits use it, from the peer's address and `X-Forwarded-For`. */
export type AddressReader = (peer: string, forwarded: string | undefined) => string;

/** Addresses that a reader remembers, at some hundred bytes each. */
const REMEMBERED = 4096;

/** The longest text that a reader remembers, in characters: an IPv6 address has up to 45, and may have a zone. */
const LONGEST = 64;

/** A parsed address. */
interface Parsed {
  readonly address: string;
  readonly isAddress: boolean;
  readonly isProxy: boolean;
}

/**
 * Makes an {@link AddressReader}. It takes the peer's address or, if the peer is a trusted proxy, the last address in
 * its `X-Forwarded-For` that is not a trusted proxy's; the caller may have written anything to the left of that. IPv4 in
 * IPv6 (`::ffff:…`) becomes IPv4.
 *
 * @param trusted IP addresses and networks that {@link isNetwork} accepts
 */
export function addressReader(trusted: readonly string[]): AddressReader {
  const isProxy = trusted.length === 0 ? () => false : addressMatcher(trusted);
  const parse = remembering((text): Parsed => {
    const address = plain(text);
    return { address, isAddress: net.isIP(address) !== 0, isProxy: isProxy(address) };
  });
  return (peer, forwarded = "") => {
    let caller = parse(peer);
    for (let end = forwarded.length; caller.isProxy && end >= 0; ) {
      const comma = end === 0 ? -1 : forwarded.lastIndexOf(",", end - 1);
      const before = parse(withoutPort(forwarded.slice(comma + 1, end).trim()));
      if (!before.isAddress) break;
      caller = before;
      end = comma;
    }
    return caller.address;
  };
}

/** Caches parsed addresses: matching one against networks takes some microseconds. */
function remembering(parse: (text: string) => Parsed): (text: string) => Parsed {
  const memory = new LRUCache<string, Parsed>({ max: REMEMBERED });
  return (text) => {
    const remembered = memory.get(text);
    if (remembered !== undefined) return remembered;
    // A slice of a header would keep the whole header in memory.
    const copy = Buffer.from(text).toString();
    const parsed = parse(copy);
    if (parsed.isAddress && copy.length <= LONGEST) memory.set(copy, parsed);
    return parsed;
  };
}

/** The canonical spelling of an address: IPv4 in IPv6 as IPv4, IPv6 as in RFC 5952, anything else unchanged. */
function plain(address: string): string {
  // An address with a zone belongs to this link; its spelling does not matter.
  if (!net.isIPv6(address) || address.includes("%")) return address;
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical) ?? [];
  if (high === undefined || low === undefined) return canonical;
  const number = parseInt(high, 16) * 65_536 + parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".");
}

/** Some proxies write `address:port`, and IPv6 in brackets. */
function withoutPort(text: string): string {
  const [, v6, v4] = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+))(?::\d{1,5})?$/.exec(text) ?? [];
  return v6 ?? v4 ?? text;
}

/** The address that limits count: the /64 network of an IPv6 address, because one customer gets a whole /64; any other unchanged. */
export function limitedAddress(address: string): string {
  if (!address.includes(":") || !net.isIPv6(address) || address.includes("%")) return address;
  const [left = "", right] = address.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const groups =
    right === undefined ? head : [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
