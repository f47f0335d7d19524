import { setTimeout as delay } from "node:timers/promises";
import { Revocation } from "../../gen/tokenverifier/admin/v1/revocation_service.js";
import type { GetStatusResponse } from "../../gen/tokenverifier/admin/v1/status_service.js";
import type { Selector } from "../directory/revocation.js";
import { timestamp } from "../grpc/admin/messages.js";
import type { Operations } from "../grpc/admin/methods.js";
import { selectorMessage } from "../grpc/admin/revocations.js";
import { parseDuration } from "../util/units.js";
import { tokenContentDigest } from "../verifier/revocation.js";
import type { RevocationRequest, SelectorRequest } from "../verifier/revocation-request.js";
import type { CliContext } from "./command.js";
import { CommandError, EXIT, UsageError } from "./errors.js";
import { messageToJson, printChange, timeText } from "./operator-output.js";
import { drawRequestId, type OperatorOptions, withOperations } from "./operators.js";
import { printLine } from "./output.js";
import { describeSelector } from "./selector-options.js";

// `revoke` and `unrevoke` on a running service, which checks the request by its own realms.

/** Milliseconds after which a replica that has not reported counts as gone. */
const SEEN = 15_000;

/** Milliseconds between two looks at the replicas. */
const INTERVAL = 200;

interface RevokeOptions extends OperatorOptions {
  readonly comment?: string;
  readonly wait?: string;
}

/** Revokes on a running service, and waits until its replicas have the revocation in force if `--wait` says so. */
export async function revokeOnService(
  request: RevocationRequest,
  options: RevokeOptions,
  context: CliContext,
): Promise<void> {
  const { comment = "", wait } = options;
  const millis = wait === undefined ? undefined : parseDuration(wait);
  if (wait !== undefined && millis === undefined) throw new UsageError("--wait must be a duration, such as 5s.");
  const selector = selectorOf(request);
  const { issuedBefore, ban, exp } = request;
  const revocation = Revocation.fromPartial({
    selector: selectorMessage(selector),
    ...(issuedBefore !== undefined && { reach: { $case: "issuedBefore", value: timestamp(issuedBefore * 1000) } }),
    ...(ban === true && { reach: { $case: "ban", value: true } }),
    ...(exp !== undefined && { expiresAt: timestamp(exp * 1000) }),
  });
  await withOperations(options, context, "change", async (on) => {
    const answer = await on.revoke({ requestId: drawRequestId(), revocations: [revocation], comment });
    const [made] = answer.revocations;
    const until = made?.reach?.$case === "issuedBefore" ? `, issued until ${timeText(made.reach.value)}` : "";
    const reached = millis === undefined ? undefined : await inForce(on, answer.change?.position?.number ?? 0n, millis);
    if (options.json) printLine(JSON.stringify({ ...(messageToJson(answer) as object), ...reached }));
    else {
      printChange(false, answer, `revoked ${describeSelector(selector)}${until}`);
      if (reached !== undefined) printLine(`in force on ${reached.inForce} of ${reached.replicas}`);
    }
    if (reached === undefined || reached.inForce === reached.replicas) return;
    const message = `The revocation was made, and is in force on ${reached.inForce} of ${reached.replicas} replicas. status shows the others.`;
    throw new CommandError(message, EXIT.unavailable, "NOT_IN_FORCE", reached);
  });
}

/** Takes a revocation back on a running service. */
export async function unrevokeOnService(
  request: SelectorRequest,
  comment: string,
  options: OperatorOptions,
  context: CliContext,
): Promise<void> {
  const selector = selectorOf(request);
  const selectors = [selectorMessage(selector)];
  const answer = await withOperations(options, context, "change", (on) =>
    on.unrevoke({ requestId: drawRequestId(), selectors, comment }),
  );
  printChange(options.json, answer, `took back the revocation of ${describeSelector(selector)}`);
}

/** A token stays here: the service gets its digest. */
function selectorOf({ realm, kind, value, instance, issuer }: SelectorRequest): Selector {
  const named = kind === "token" ? { kind: "digest" as const, value: tokenContentDigest(value) } : { kind, value };
  return { realm, ...named, ...(instance !== undefined && { instance }), ...(issuer !== undefined && { issuer }) };
}

/** Waits until every connected replica has applied a change. @returns how many have, and how many there are */
async function inForce(
  on: Operations,
  change: bigint,
  millis: number,
): Promise<{ readonly inForce: number; readonly replicas: number }> {
  const end = performance.now() + millis;
  for (;;) {
    const status = await on.getStatus({});
    const connected = connectedReplicas(status);
    const done = connected.filter(({ position }) => (position?.number ?? 0n) >= change);
    const found = { inForce: done.length, replicas: connected.length };
    if ((found.replicas > 0 && found.inForce === found.replicas) || performance.now() >= end) return found;
    await delay(INTERVAL);
  }
}

/** The replicas that reported lately, by the store's clock. */
function connectedReplicas({ replicas, store }: GetStatusResponse): GetStatusResponse["replicas"] {
  const now = Number(store?.time?.seconds ?? 0n);
  return replicas.filter(({ seenAt }) => (now - Number(seenAt?.seconds ?? 0n)) * 1000 <= SEEN);
}
