import type { ConfiguredAdmin } from "../config/admin.js";
import type { Operator } from "../contract/operator.js";
import { OperatorError } from "../contract/operator-failures.js";
import { failure, type Verifier } from "../contract/verifier.js";
import type { OperatorCredential } from "../grpc/admin/services.js";
import type { Clock } from "../util/clock.js";
import { Secret } from "../util/secret.js";
import { type FailureLimits, limitCredentials } from "../verifier/credential-rate-limit.js";

/** Who may ask at the operators' port. */
export interface OperatorAccess {
  /** Who a caller is. @throws OperatorError OPERATOR_MISSING, OPERATOR_UNKNOWN, RATE_LIMITED */
  authenticate(credential: OperatorCredential): Promise<Operator>;
  /** Puts the operators of a reloaded configuration in place of those before. */
  renew(admin: ConfiguredAdmin): void;
}

/** Operators, as they are found. */
interface KnownOperators {
  /** By the digest of the key: a look-up tells nothing about other keys by its time. */
  readonly byKey: ReadonlyMap<string, Operator>;
  /** By the name in the certificate. */
  readonly byName: ReadonlyMap<string, Operator>;
}

/** A failure that the rate limit takes for that of a good credential. */
const GOOD = failure("TOKEN_EMPTY");
const UNKNOWN = failure("CALLER_UNKNOWN");

/** Knows the operators of a configuration. Unknown keys are limited as callers' unknown credentials are. */
export function operatorAccess(admin: ConfiguredAdmin, failures: FailureLimits, clock: Clock): OperatorAccess {
  let known = knownOperators(admin);
  const operatorOf = (key: Secret): Operator | undefined => known.byKey.get(key.digest());
  const keys: Verifier = {
    verify: ({ credential }) =>
      credential?.kind === "instance" && operatorOf(credential.secretKey) !== undefined ? GOOD : UNKNOWN,
  };
  const limited = limitCredentials(keys, failures, clock);

  async function byKey(text: string, address: string): Promise<Operator> {
    const key = new Secret(text);
    const credential = { kind: "instance", secretKey: key } as const;
    const request = { realm: "", token: new Secret(""), credential, explain: false };
    const outcome = await limited.verify(request, { requestId: "", address, deadline: Number.POSITIVE_INFINITY });
    if (outcome.kind === "failure" && outcome.reason === "RATE_LIMITED") {
      throw new OperatorError("RATE_LIMITED", undefined, outcome.retryAfter);
    }
    return operatorOf(key) ?? refuse("OPERATOR_UNKNOWN");
  }

  return {
    async authenticate({ authorization, workload = [], address }) {
      if (authorization !== undefined) {
        const [, key] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
        return key === undefined ? refuse("OPERATOR_UNKNOWN") : byKey(key, address);
      }
      const { byName } = known;
      const name = workload.find((one) => byName.has(one));
      const operator = name === undefined ? undefined : byName.get(name);
      if (operator !== undefined) return operator;
      // The configuration admits this on a loopback address or a socket file only.
      if (known.byKey.size + byName.size > 0) return refuse("OPERATOR_MISSING");
      return { actor: `local:${address || "unix"}`, role: "admin" };
    },
    renew: (next) => {
      known = knownOperators(next);
    },
  };
}

function refuse(reason: "OPERATOR_MISSING" | "OPERATOR_UNKNOWN"): never {
  throw new OperatorError(reason);
}

/** The longest name of a certificate in the audit, in characters. */
const MAX_NAME = 250;

const knownOperators = ({ keys, certificates }: ConfiguredAdmin): KnownOperators => ({
  byKey: new Map(keys.map(({ name, key, role }) => [key.digest(), { actor: `key:${name}`, role }])),
  byName: new Map(certificates.map(({ san, role }) => [san, { actor: `cert:${san.slice(0, MAX_NAME)}`, role }])),
});
