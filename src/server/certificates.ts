import type { Config, GatewayConfig } from "../config/load.js";
import type { ConfiguredTls } from "../config/tls.js";
import { tlsKind } from "../net/tls.js";

/** The places of a configuration that may have a `tls`. */
type Places = Pick<Config, "http" | "metrics"> &
  Partial<Pick<Config, "grpc" | "admin"> & Pick<GatewayConfig, "upstream">>;

/** The places of a configuration that have a `tls`, with what is in it. */
export function certificatesOf(config: Places): Readonly<Record<string, ConfiguredTls>> {
  const { grpc, http, admin, metrics, upstream } = config;
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

/** What may be wrong with the times of a certificate. */
export type CertificateFault = "expired" | "early" | "expiring";

/** A certificate that does not count now, or not for long. */
export interface FaultyCertificate {
  /** Where it is configured, such as `grpc.tls`. */
  readonly place: string;
  readonly fault: CertificateFault;
  /** What is wrong, in words, with the time. */
  readonly message: string;
}

/**
 * Certificates that do not count now, or not for long. No errors: peers judge certificates by their own clocks, and a
 * service that does not start because of one port's certificate helps nobody.
 *
 * @param now milliseconds since 1970
 */
export function faultyCertificates(config: Places, now: number): readonly FaultyCertificate[] {
  return Object.entries(certificatesOf(config)).flatMap(([name, { validity }]) => {
    if (validity === undefined) return [];
    const { from, to } = validity;
    const say = (fault: CertificateFault, what: string, time: number): FaultyCertificate[] => [
      { place: `${name}.tls`, fault, message: `the certificate ${what} ${new Date(time).toISOString()}` },
    ];
    if (now > to) return say("expired", "expired: peers refuse it since", to);
    if (now < from) return say("early", "is not valid yet: peers refuse it until", from);
    return to - now < SOON ? say("expiring", "expires soon: peers refuse it from", to) : [];
  });
}
