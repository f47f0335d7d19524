import type { Config } from "../../config/load.js";
import type { Directory, RevokedToken } from "../../directory/directory.js";
import { revocationDigest } from "../../verifier/stages.js";
import type { CliContext } from "../cli-context.js";
import { CommandError, EXIT } from "../errors.js";
import { ownRealm } from "../own-realm.js";
import { readTime } from "../time.js";
import { actorOfCommand, onDirectory } from "./on-directory.js";

/** The options of `revoke`. */
export interface RevokeOptions {
  readonly realm?: string;
  readonly jti?: string;
  readonly instance?: string;
  /** When it may be forgotten: RFC 3339, or seconds since 1970. */
  readonly until?: string;
}

/** What was revoked, and until when in seconds since 1970; null for good. */
export interface Revoked {
  readonly token: RevokedToken;
  readonly until: number | null;
}

/**
 * Revokes a token.
 *
 * @param token the token itself, where that was given
 * @throws {CommandError} for options that do not fit together
 */
export async function revoke(
  config: Config,
  token: string | undefined,
  options: RevokeOptions,
  world: CliContext,
): Promise<Revoked> {
  const revoked = token === undefined ? byJti(config, options) : byDigest(token, options);
  const until = options.until === undefined ? undefined : Math.ceil(readTime("--until", options.until) / 1000);
  if (until !== undefined && until * 1000 <= world.clock()) {
    throw new CommandError(
      "--until lies in the past: the revocation would hold no longer. Leave it out to revoke for good.",
      EXIT.usage,
    );
  }
  const command = { kind: "revoke" as const, token: revoked, ...(until === undefined ? {} : { until }) };
  await onDirectory(config, world.clock, "change", async ({ directory }) => {
    if (options.instance !== undefined && !(await hasInstance(directory, options.instance))) {
      throw new CommandError(`There is no instance ${options.instance} in the directory.`, EXIT.usage);
    }
    await directory.apply([command], actorOfCommand());
  });
  return { token: revoked, until: until ?? null };
}

/** Whether there is an instance of this id; an export gives instances first. */
async function hasInstance(directory: Directory, id: string): Promise<boolean> {
  for await (const entry of directory.export()) {
    if (entry.kind !== "putInstance") return false;
    if (entry.id === id) return true;
  }
  return false;
}

function byDigest(token: string, { jti, instance }: RevokeOptions): RevokedToken {
  if (jti !== undefined || instance !== undefined) {
    throw new CommandError("Give --token alone, or --realm and --jti: a token says itself what it is.", EXIT.usage);
  }
  // The digest leaves the signature out: of a text that is no token, it would be that of something else.
  if (!/^[\w-]+\.[\w-]*\.[\w-]*$/.test(token)) {
    throw new CommandError("--token holds no token: three parts in base64url with dots between them.", EXIT.usage);
  }
  return { digest: revocationDigest(token) };
}

function byJti(config: Config, { realm: name, jti, instance }: RevokeOptions): RevokedToken {
  if (name === undefined || jti === undefined) {
    throw new CommandError("Give --realm NAME and --jti JTI, or --token FILE.", EXIT.usage);
  }
  const realm = ownRealm(config, name);
  if ((realm.keysOf === "instance") === (instance !== undefined)) {
    return { realm: instance === undefined ? name : `${name}/${instance}`, jti };
  }
  const message =
    instance === undefined
      ? `In the realm ${name} each instance draws its own jti: give --instance ID too.`
      : `The tokens of the realm ${name} are of no instance: leave --instance out.`;
  throw new CommandError(message, EXIT.usage);
}
