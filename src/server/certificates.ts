import type { Logger } from "pino";
import type { Config, GatewayConfig } from "../config/load.js";
import type { ConfiguredTls } from "../config/tls.js";
import type { Port } from "../net/port.js";
import { isSameTls, type TlsMaterial, tlsKind } from "../net/tls.js";
import { tell } from "../observability/lines.js";
import type { Telemetry } from "../observability/telemetry.js";
import type { Clock } from "../util/clock.js";

/** Settings that may have a `tls`. */
type TlsPlaces = Pick<Config, "http" | "metrics"> &
  Partial<Pick<Config, "grpc" | "admin"> & Pick<GatewayConfig, "upstream">>;

/** TLS material of a configuration, by the setting that names it, such as `grpc` or `upstream`. */
function certificatesOf(config: TlsPlaces): Readonly<Record<string, ConfiguredTls>> {
  const { grpc, http, admin, metrics, upstream } = config;
  const places = Object.entries({ grpc, http, admin, metrics, upstream });
  return Object.fromEntries(places.flatMap(([name, place]) => (place?.tls === undefined ? [] : [[name, place.tls]])));
}

/** The part of a `tls` that takes effect at a start only: whether there is one, and whether clients show certificates. */
export function fixedTls(name: string, tls: ConfiguredTls | undefined): string {
  const kind = tlsKind(tls);
  return name === "upstream" && kind === "mutual" ? "tls" : kind;
}

/** How long before it expires a certificate is reported, in milliseconds: 7 days. */
const SOON = 7 * 86_400_000;

/** Fault of a certificate: past its validity, before it, or near its end. */
export type CertificateFault = "expired" | "early" | "expiring";

/** A certificate that is not valid, or not for long. */
export interface FaultyCertificate {
  /** Setting, such as `grpc.tls`. */
  readonly place: string;
  readonly fault: CertificateFault;
  /** Fault in words, with the time. */
  readonly message: string;
}

/**
 * Certificates that are not valid, or not for long. These are warnings and never errors, because peers judge
 * certificates by their own clocks.
 *
 * @param now milliseconds since 1970
 */
export function faultyCertificates(config: TlsPlaces, now: number): readonly FaultyCertificate[] {
  return Object.entries(certificatesOf(config)).flatMap(([name, { validity }]) => {
    if (validity === undefined) return [];
    const { from, to } = validity;
    const say = (fault: CertificateFault, what: string, time: number): FaultyCertificate[] => [
      { place: `${name}.tls`, fault, message: `the certificate ${what} ${new Date(time).toISOString()}` },
    ];
    if (now > to) return say("expired", "expired: peers have refused it since", to);
    if (now < from) return say("early", "is not valid yet: peers refuse it until", from);
    return to - now < SOON ? say("expiring", "expires soon: peers refuse it from", to) : [];
  });
}

/**
 * Reports the certificates of a configuration, with a warning for each that is not valid, and renews them at reloads.
 *
 * @returns renews the certificates by a reloaded configuration, and names the ports that got a new one
 */
export function renewCertificates<C extends Config | GatewayConfig>(
  ports: readonly Port[],
  started: C,
  { telemetry, log, clock }: { readonly telemetry: Telemetry; readonly log: Logger; readonly clock: Clock },
): (next: C) => { readonly certificates?: readonly string[] } {
  let current = certificatesOf(started);
  const show = (config: C): void => {
    telemetry.setCertificates(current);
    for (const { place, message } of faultyCertificates(config, clock())) {
      tell(log, "certificate", { warning: `${place}: ${message}` });
    }
  };
  show(started);
  return (next) => {
    const later = certificatesOf(next);
    // Adding or removing TLS, or the demand for clients' certificates, needs a restart.
    const renewed = Object.keys(current).filter((name) => {
      const [before, after] = [current[name], later[name]];
      return after !== undefined && fixedTls(name, before) === fixedTls(name, after) && !isSameTls(before, after);
    });
    for (const port of ports) if (renewed.includes(port.name)) port.renewTls(later[port.name] as TlsMaterial);
    current = { ...current, ...Object.fromEntries(renewed.map((name) => [name, later[name] as ConfiguredTls])) };
    show(next);
    return renewed.length === 0 ? {} : { certificates: renewed };
  };
}
