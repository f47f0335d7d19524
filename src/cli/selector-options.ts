import { text } from "node:stream/consumers";
import type { Command } from "commander";
import type { Selector } from "../directory/revocation.js";
import { RevocationRequestError, type SelectorRequest } from "../verifier/revocation-request.js";
import { type CliContext, realmOption } from "./command.js";
import { UsageError } from "./errors.js";
import { addOperatorOptions, type OperatorOptions } from "./operators.js";
import { readSecretFile } from "./resolve.js";

// How `revoke` and `unrevoke` name the tokens that they are about.

/** The options of a selector, as given. */
export interface SelectorOptions extends OperatorOptions {
  readonly realm: string;
  readonly jti?: string;
  readonly token?: string;
  readonly subject?: string;
  readonly session?: string;
  readonly client?: string;
  readonly key?: string;
  readonly all?: true;
  readonly instance?: string;
  readonly issuer?: string;
}

/** Adds the options of a selector, and those of every command that changes revocations. */
export const addSelectorOptions = (command: Command): Command =>
  addOperatorOptions(
    command
      .addOption(realmOption())
      .option("--jti <jti>", "the token with this jti")
      .option("--token <file>", "the token in this file; - reads standard input")
      .option("--subject <id>", "tokens of this user, named as the realm names users")
      .option("--session <sid>", "tokens of this session, their sid")
      .option("--client <id>", "tokens of this client, their client_id or else azp")
      .option("--key <id>", "tokens that this key verifies: its kid, or the RFC 7638 thumbprint of a public key")
      .option("--all", "all tokens of the realm")
      .option("--instance <id>", "only tokens that this instance's secret keys signed; alone: all of them")
      .option("--issuer <issuer>", "only tokens with this iss, in a realm that admits several issuers")
      .option("--comment <text>", "why, for the audit"),
  );

const KINDS = ["jti", "token", "subject", "session", "client", "key", "all"] as const;

/** Reads the options. @throws {UsageError} unless exactly one selector is given */
export async function readSelector(options: SelectorOptions, context: CliContext): Promise<SelectorRequest> {
  const { realm, instance, issuer } = options;
  const given = KINDS.filter((kind) => options[kind] !== undefined);
  const [kind, other] = given;
  if (kind === undefined && instance !== undefined) return { realm, kind: "instance", value: instance, issuer };
  if (kind === undefined || other !== undefined) {
    const names = KINDS.map((one) => `--${one}`).join(", ");
    throw new UsageError(`Give one of ${names}, or --instance alone.`);
  }
  const value = options[kind];
  if (kind === "token") return { realm, kind, value: await readToken(value as string, context), instance, issuer };
  return { realm, kind, value: value === true ? "" : (value as string), instance, issuer };
}

const readToken = async (file: string, { stdin }: CliContext): Promise<string> =>
  file === "-" ? (await text(stdin)).trim() : readSecretFile(file);

/** Runs what may find fault with the options. @throws {UsageError} for a fault */
export function asUsage<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw error instanceof RevocationRequestError ? new UsageError(error.message) : error;
  }
}

/** A selector as a person reads it, such as `subject jane of the instance inst_1 in the realm clowk`. */
export function describeSelector({ realm, kind, value, instance, issuer }: Selector): string {
  const what = kind === "all" ? "all tokens" : kind === "digest" ? `token ${value}` : `${kind} ${value}`;
  const signer = instance !== undefined ? ` of the instance ${instance}` : issuer ? ` of the issuer ${issuer}` : "";
  const none = issuer === "" ? " without an issuer" : "";
  return `${what}${signer}${none} in ${realm === "" ? "every realm" : `the realm ${realm}`}`;
}
