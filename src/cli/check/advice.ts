import type { GatewayConfig } from "../../config/load.js";
import { CERTIFICATE_ADVICE, type Certified } from "./advice-certificates.js";
import { KEY_ADVICE } from "./advice-keys.js";
import { LISTENER_ADVICE } from "./advice-listeners.js";
import { REALM_ADVICE } from "./advice-realms.js";
import { SECRET_ADVICE } from "./advice-secrets.js";
import { STORE_ADVICE } from "./advice-store.js";
import type { Advice, Finding, Findings, Subject } from "./findings.js";

/** All mistakes that are looked for; docs/checks.md tells them to people. */
export const ADVICE: readonly Advice<Subject>[] = [
  ...LISTENER_ADVICE,
  ...CERTIFICATE_ADVICE,
  ...REALM_ADVICE,
  ...KEY_ADVICE,
  ...SECRET_ADVICE,
  ...STORE_ADVICE,
];

/** Looks for every mistake. */
export function advise(subject: Subject): Findings {
  return findingsOf(ADVICE, subject);
}

/** The same for a gateway on its own, which has no keys of realms and no store. @param now milliseconds since 1970 */
export function adviseGateway(config: GatewayConfig, now: number): Findings {
  return findingsOf<Certified>([...LISTENER_ADVICE, ...CERTIFICATE_ADVICE], { ...config, now });
}

function findingsOf<S>(table: readonly Advice<S>[], subject: S): Findings {
  const ofLevel = (level: "error" | "warning"): Finding[] =>
    table
      .filter((row) => row.level === level)
      .flatMap(({ name, cure, find }) => find(subject).map((hit) => ({ check: name, ...hit, cure })));
  return { errors: ofLevel("error"), warnings: ofLevel("warning") };
}
