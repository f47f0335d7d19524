import { type CertificateFault, faultyCertificates } from "../../server/certificates.js";
import type { Listening } from "./advice-listeners.js";
import type { Advice } from "./findings.js";

/** What a service with a certificate is looked through for. */
export interface Certified extends Listening {
  /** The time of the look, in milliseconds since 1970. */
  readonly now: number;
}

/** Certificates that peers refuse, or soon will. */
export const CERTIFICATE_ADVICE: readonly Advice<Certified>[] = [
  {
    name: "certificate-expired",
    level: "warning",
    find: withFault("expired"),
    cure: "Put a new certificate in its place; a running service takes it up by itself.",
  },
  {
    name: "certificate-early",
    level: "warning",
    find: withFault("early"),
    cure: "Wait, or put one in its place that counts today; look at this machine's clock, too.",
  },
  {
    name: "certificate-expiring",
    level: "warning",
    find: withFault("expiring"),
    cure: "Put a new certificate in its place before; a running service takes it up by itself.",
  },
];

function withFault(fault: CertificateFault): Advice<Certified>["find"] {
  return (config) =>
    faultyCertificates(config, config.now)
      .filter((one) => one.fault === fault)
      .map(({ place, message }) => ({ place, message }));
}
