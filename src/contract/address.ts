import net from "node:net";

const NETWORK = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/;

/** True for an IP address or a network such as `10.0.0.0/8`. */
export function isNetwork(text: string): boolean {
  const [, address = "", prefix] = NETWORK.exec(text) ?? [];
  const family = net.isIP(address);
  return family !== 0 && (prefix === undefined || Number(prefix) <= (family === 4 ? 32 : 128));
}

/** Says where a call came from: an address as logs and limits know it. */
export type AddressReader = (peer: string, forwarded: string | undefined) => string;

/**
 * Makes an {@link AddressReader}. The peer's own address counts, unless the peer is a trusted proxy: then the last
 * address of its `X-Forwarded-For` that is no trusted proxy's does. Whatever stands left of that anybody may have
 * written, and it is not looked at. IPv4 in IPv6 (`::ffff:…`) is written as IPv4.
 *
 * @param trusted IP addresses and networks, as {@link isNetwork} admits them
 */
export function addressReader(trusted: readonly string[]): AddressReader {
  if (trusted.length === 0) return plain;
  const proxies = new net.BlockList();
  for (const text of trusted) {
    const [, address = "", prefix] = NETWORK.exec(text) ?? [];
    const family = net.isIPv4(address) ? "ipv4" : "ipv6";
    if (prefix === undefined) proxies.addAddress(address, family);
    else proxies.addSubnet(address, Number(prefix), family);
  }
  const isProxy = (address: string): boolean =>
    net.isIP(address) !== 0 && proxies.check(address, net.isIPv4(address) ? "ipv4" : "ipv6");
  return (peer, forwarded) => {
    let address = plain(peer);
    const claims = (forwarded ?? "").split(",").map((one) => plain(one.trim()));
    while (isProxy(address)) {
      const before = claims.pop();
      if (before === undefined || net.isIP(before) === 0) break;
      address = before;
    }
    return address;
  };
}

const plain = (address: string): string =>
  address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
