import type { Config, GatewayConfig } from "../config/load.js";
import type { ConfiguredTls } from "../config/tls.js";
import { tlsKind } from "../contract/tls.js";

/** The places of a configuration that have a `tls`, with what is in it. */
export function certificatesOf(config: Config | GatewayConfig): Readonly<Record<string, ConfiguredTls>> {
  const { grpc, http, admin, metrics, upstream } = config as Partial<Config & GatewayConfig>;
  const places = Object.entries({ grpc, http, admin, metrics, upstream });
  return Object.fromEntries(places.flatMap(([name, place]) => (place?.tls === undefined ? [] : [[name, place.tls]])));
}

/** What of a `tls` takes effect at a start only: whether there is one, and whether a port's clients show certificates. */
export function fixedTls(name: string, tls: ConfiguredTls | undefined): string {
  const kind = tlsKind(tls);
  return name === "upstream" && kind === "mutual" ? "tls" : kind;
}

/** When within its last days a certificate is told of: milliseconds. */
const SOON = 7 * 86_400_000;

/**
 * Certificates that do not count now, or not for long, each in a sentence. No errors: peers judge certificates by their
 * own clocks, and a service that does not start because of one port's certificate helps nobody.
 *
 * @param now milliseconds since 1970
 */
export function certificateWarnings(config: Config | GatewayConfig, now: number): readonly string[] {
  return Object.entries(certificatesOf(config)).flatMap(([name, { validity }]) => {
    if (validity === undefined) return [];
    const { from, to } = validity;
    const say = (what: string, time: number): string[] => [
      `${name}.tls: the certificate ${what} ${new Date(time).toISOString()}`,
    ];
    if (now > to) return say("expired: peers refuse it since", to);
    if (now < from) return say("is not valid yet: peers refuse it until", from);
    return to - now < SOON ? say("expires soon: put a new one in its place before", to) : [];
  });
}
