import { createHmac } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";

// A directory of any size, and tokens of its users: what user n is called follows from n alone.

/** How many instances share the users. */
export const INSTANCES = 10;
/** How many lines make a chunk. */
const CHUNK = 1_000;

const instanceOf = (user: number): number => user % INSTANCES;
const instanceId = (instance: number): string => `inst_${instance}`;
const userId = (user: number): string => `00000000-0000-4000-8000-${String(user).padStart(12, "0")}`;

/** The secret key of the instance that has user n. */
export const secretKeyOf = (user: number): string => `sk_live_of_the_benchmark_${instanceOf(user)}`;

/** Lines of an import: so many users, and their instances. @param domain of their addresses: another one changes them all */
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

/** The same as chunks of bytes. */
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

/** The same as a file. */
export function writeDirectory(file: string, users: number, domain?: string): void {
  const fd = openSync(file, "w");
  try {
    for (const bytes of directoryBytes(users, domain)) writeSync(fd, bytes);
  } finally {
    closeSync(fd);
  }
}

const encode = (text: string): string => Buffer.from(text).toString("base64url");

/** Signs claims with HS256: quick, for tens of thousands of tokens are wanted. */
export function hs256(claims: Readonly<Record<string, unknown>>, secret: string): string {
  return hs256Text(JSON.stringify(claims), secret);
}

/** The same for a payload whose very text is given. */
export function hs256Text(payload: string, secret: string): string {
  const input = `${encode('{"alg":"HS256","typ":"JWT"}')}.${encode(payload)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

/** Seconds since 1970 when a token made now ends: a day from now. */
export const later = (): number => Math.floor(Date.now() / 1000) + 86_400;

/** A good token of Integuru. @param jti makes it another one */
export function integuruToken(jti: string, secret: string): string {
  return hs256({ token_type: "access", exp: later(), jti, client_app_id: "a", taiki_user_id: "u" }, secret);
}

/** A good Clowk token of user n. @param extra claims that make it another one */
export function clowkToken(user: number, extra: Readonly<Record<string, unknown>> = {}): string {
  const claims = { iss: "clowk", exp: later(), sub: userId(user), instance_id: instanceId(instanceOf(user)), ...extra };
  return hs256(claims, secretKeyOf(user));
}
