import net from "node:net";
import { LRUCache } from "lru-cache";

const NETWORK = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/;

/** True for an IP address or a network such as `10.0.0.0/8`. */
export function isNetwork(text: string): boolean {
  const [, address = "", prefix] = NETWORK.exec(text) ?? [];
  const family = net.isIP(address);
  return family !== 0 && (prefix === undefined || Number(prefix) <= (family === 4 ? 32 : 128));
}

/** Tells whether an address, as an {@link AddressReader} writes it, is among IP addresses and networks that {@link isNetwork} admits. */
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

/** Says where a call came from: an address as logs and limits know it. */
export type AddressReader = (peer: string, forwarded: string | undefined) => string;

/** How many addresses a reader remembers: those of the proxies, and of the callers of the moment. Some hundred bytes each. */
const REMEMBERED = 4096;

/** The longest text that is remembered, in characters: an IPv6 address has 45 at the most, and may have a zone. */
const LONGEST = 64;

/** What is to be known of an address. */
interface Known {
  readonly address: string;
  readonly isAddress: boolean;
  readonly isProxy: boolean;
}

/**
 * Makes an {@link AddressReader}. The peer's own address counts, unless the peer is a trusted proxy: then the last
 * address of its `X-Forwarded-For` that is no trusted proxy's does. Whatever stands left of that anybody may have
 * written, and it is not looked at. IPv4 in IPv6 (`::ffff:…`) is written as IPv4.
 *
 * @param trusted IP addresses and networks, as {@link isNetwork} admits them
 */
export function addressReader(trusted: readonly string[]): AddressReader {
  const isProxy = trusted.length === 0 ? () => false : addressMatcher(trusted);
  const know = remembering((text): Known => {
    const address = plain(text);
    return { address, isAddress: net.isIP(address) !== 0, isProxy: isProxy(address) };
  });
  return (peer, forwarded = "") => {
    let caller = know(peer);
    for (let end = forwarded.length; caller.isProxy && end >= 0; ) {
      const comma = end === 0 ? -1 : forwarded.lastIndexOf(",", end - 1);
      const before = know(withoutPort(forwarded.slice(comma + 1, end).trim()));
      if (!before.isAddress) break;
      caller = before;
      end = comma;
    }
    return caller.address;
  };
}

/** Remembers what is known of the addresses that were last asked for: to look one up in networks takes some microseconds. */
function remembering(look: (text: string) => Known): (text: string) => Known {
  const memory = new LRUCache<string, Known>({ max: REMEMBERED });
  return (text) => {
    const remembered = memory.get(text);
    if (remembered !== undefined) return remembered;
    // A piece of a header would keep all of the header in memory.
    const copy = Buffer.from(text).toString();
    const known = look(copy);
    if (known.isAddress && copy.length <= LONGEST) memory.set(copy, known);
    return known;
  };
}

/** An address as every spelling of it is written: IPv4 in IPv6 as IPv4, IPv6 as RFC 5952 has it. Anything else as it is. */
function plain(address: string): string {
  // One with a zone is of this link alone, and has no other spelling worth the while.
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

/**
 * What limits count an address as: itself, or the /64 network of an IPv6 address, for whoever has one of these has them
 * all.
 */
export function limitedAddress(address: string): string {
  if (!net.isIPv6(address) || address.includes("%")) return address;
  const [left = "", right] = address.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const groups =
    right === undefined ? head : [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
