import type { Logger } from "pino";
import type { Config, GatewayConfig } from "../config/load.js";
import type { ConfiguredTls } from "../config/tls.js";
import type { Port } from "../net/port.js";
import { isSameTls, type TlsMaterial } from "../net/tls.js";
import { tell } from "../observability/lines.js";
import type { Telemetry } from "../observability/telemetry.js";
import type { Clock } from "../util/clock.js";
import { certificatesOf, faultyCertificates, fixedTls } from "./certificates.js";

/**
 * Puts the certificates of a configuration to use that follows another, and warns of those that do not count.
 *
 * @returns what is done at a reload; it says which ports got a new certificate
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
    // A port that has no TLS yet, or would have none, or asks for clients' certificates only now, needs a restart.
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
