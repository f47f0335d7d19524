import { createHmac } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";

// A directory of any size, and tokens of its users; all names of user n follow from n.

/** The number of instances that share the users. */
export const INSTANCES = 10;
/** The number of lines in a chunk. */
const CHUNK = 1_000;

const instanceOf = (user: number): number => user % INSTANCES;
const instanceId = (instance: number): string => `inst_${instance}`;
const userId = (user: number): string => `00000000-0000-4000-8000-${String(user).padStart(12, "0")}`;

/** Returns the secret key of user n's instance. */
export const secretKeyOf = (user: number): string => `sk_live_of_the_benchmark_${instanceOf(user)}`;

/** Returns the instances with their users, as a seed has them. */
export function instancesWithUsers(users: number): readonly object[] {
  return Array.from({ length: INSTANCES }, (_, instance) => ({
    id: instanceId(instance),
    appId: "app_bench",
    secretKeys: [secretKeyOf(instance)],
    users: Array.from({ length: Math.ceil((users - instance) / INSTANCES) }, (_none, turn) => {
      const user = turn * INSTANCES + instance;
      return { id: userId(user), email: `user${user}@example.com`, name: `User ${user}`, provider: "google" };
    }),
  }));
}

/** Yields the lines of an import of users and their instances. @param domain of the users' email addresses */
function* directoryLines(users: number, domain = "example.com"): Generator<string> {
  for (let user = 0; user < users; user++) {
    if (user < INSTANCES) {
      const id = instanceId(instanceOf(user));
      yield JSON.stringify({ instance: { id, appId: "app_bench", secretKeys: [secretKeyOf(user)] } });
    }
    const instance = instanceId(instanceOf(user));
    const email = `user${user}@${domain}`;
    yield JSON.stringify({ user: { instance, id: userId(user), email, name: `User ${user}`, provider: "google" } });
  }
}

/** Yields the lines as chunks of bytes. */
function* directoryBytes(users: number, domain?: string): Generator<Buffer> {
  let lines: string[] = [];
  for (const line of directoryLines(users, domain)) {
    lines.push(line);
    if (lines.length < CHUNK) continue;
    yield Buffer.from(`${lines.join("\n")}\n`);
    lines = [];
  }
  yield Buffer.from(`${lines.join("\n")}\n`);
}

/** Writes the lines to a file. */
export function writeDirectory(file: string, users: number, domain?: string): void {
  const fd = openSync(file, "w");
  try {
    for (const bytes of directoryBytes(users, domain)) writeSync(fd, bytes);
  } finally {
    closeSync(fd);
  }
}

const encode = (text: string): string => Buffer.from(text).toString("base64url");

/** Signs claims with HS256, fast enough for tens of thousands of tokens. */
export function hs256(claims: Readonly<Record<string, unknown>>, secret: string): string {
  return hs256Text(JSON.stringify(claims), secret);
}

/** Signs the text of a payload with HS256. */
export function hs256Text(payload: string, secret: string): string {
  const input = `${encode('{"alg":"HS256","typ":"JWT"}')}.${encode(payload)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

/** The expiry of new tokens, a day from now, in seconds since 1970. */
export const later = (): number => Math.floor(Date.now() / 1000) + 86_400;

/** Returns a good token of Integuru. @param jti makes the token unique */
export function integuruToken(jti: string, secret: string): string {
  return hs256({ token_type: "access", exp: later(), jti, client_app_id: "a", taiki_user_id: "u" }, secret);
}

/** Returns a good Clowk token of user n. @param extra claims that make the token unique */
export function clowkToken(user: number, extra: Readonly<Record<string, unknown>> = {}): string {
  const claims = { iss: "clowk", exp: later(), sub: userId(user), instance_id: instanceId(instanceOf(user)), ...extra };
  return hs256(claims, secretKeyOf(user));
}
