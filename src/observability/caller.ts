import type { KnownCaller } from "../contract/verifier.js";
import type { Secret } from "../util/secret.js";
import type { FieldsOf } from "./lines.js";

/** Finds the id of the instance that owns a secret key; undefined where that cannot be told at once. */
export type InstanceOf = (secretKey: Secret) => string | undefined;

/** The longest name that a line has, in characters; no id of the directory is longer. */
const NAME_LENGTH = 255;
/** How many names of a certificate a line has. */
const NAMES = 4;

const cut = (text: string): string => text.slice(0, NAME_LENGTH);

/**
 * Who asked, as a line tells it. Of a credential that was not good nothing is told, not even the id that was claimed:
 * whoever mixes up id and secret sends the secret in the id's place.
 */
export function callerFields(
  caller: KnownCaller | undefined,
  instanceOf: InstanceOf,
): Pick<FieldsOf<"call">, "client" | "instance" | "workload"> {
  const { credential, workload = [] } = caller ?? {};
  const instance = credential?.kind === "instance" ? instanceOf(credential.secretKey) : undefined;
  return {
    ...(credential?.kind === "client" && { client: cut(credential.clientId) }),
    ...(instance !== undefined && { instance: cut(instance) }),
    ...(workload.length > 0 && { workload: workload.slice(0, NAMES).map(cut) }),
  };
}
