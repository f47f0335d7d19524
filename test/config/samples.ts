// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a configuration names its variables
import { VENDORS } from "../../src/vendors/index.js";
import { keyOf } from "../support/keys.js";
import type { Files } from "./harness.js";

// Parts of good configurations, for tests to change.

export const PRESETS = VENDORS.map(({ name }) => name).join(", ");

export const pem = (name: string): string => keyOf(name).publicPem ?? "";
const privatePem = (name: string): string => keyOf(name).signer.export({ type: "pkcs8", format: "pem" }).toString();
export const MASTER = Buffer.alloc(32, 7).toString("base64");
export const OTHER_MASTER = Buffer.alloc(32, 8).toString("base64");
export const SECRET = "0123456789abcdef0123456789abcdef";

/** A good configuration whose realm `partner` has this body. */
export const partner = (members: string): string =>
  `grpc: 127.0.0.1:0\nrealms:\n  partner: { issuer: null, audience: null, ${members} }\n`;
export const withKey = (entry: string, algorithms = "ES256"): string =>
  partner(`algorithms: [${algorithms}], keys: [${entry}]`);
export const issued = (issuer: string, more = ""): string =>
  `{ algorithms: [ES256], issuer: ${issuer}, audience: null, ${more}keys: [{ pemFile: ./p256.pem }] }`;
/** A configuration with the realm `one` of https://one.example, and the given realms. */
export const routed = (...realms: readonly string[]): string =>
  `realms:\n${[`one: ${issued("https://one.example")}`, ...realms].map((realm) => `  ${realm}\n`).join("")}`;
export const GOOD = withKey("{ pemFile: ./p256.pem }");
export const FILES: Files = {
  "p256.pem": pem("p256"),
  "rsa.pem": pem("rsa"),
  "private.pem": privatePem("p256"),
  "master.key": `${MASTER}\n`,
  "short.key": "short",
  "secret.key": `${SECRET}\n`,
};
