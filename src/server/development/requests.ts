import type { Config } from "../../config/load.js";
import type { ConfiguredRealm } from "../../config/realms.js";
import type { ExampleValues } from "../../vendors/vendor.js";
import { defaultLife, missingClaims, sampleClaims, signingKey, signToken } from "./tokens.js";
import { PLACEHOLDERS, seedValues } from "./values.js";

/** A request that works, ready to paste as one line. */
export interface ExampleRequest {
  readonly title: string;
  readonly command: string;
}

/**
 * One request for each face and one over gRPC, with tokens that are good for an hour. Realms for which no token can be
 * signed are left out.
 *
 * @param addresses bound addresses, by the configuration's names
 * @param now milliseconds since 1970
 */
export async function exampleRequests(
  config: Config,
  addresses: Readonly<Record<string, string>>,
  now: number,
): Promise<readonly ExampleRequest[]> {
  const values = { ...(seedValues(config.directory) ?? PLACEHOLDERS), now: Math.floor(now / 1000) };
  const requests: ExampleRequest[] = [];
  const tokens = new Map<string, string>();
  for (const realm of config.realms) {
    const token = await exampleToken(realm, values);
    if (token !== undefined) tokens.set(realm.name, token);
  }
  for (const { realm, path } of config.faces) {
    const vendor = config.realms.find(({ name }) => name === realm)?.vendor;
    const token = tokens.get(realm);
    if (vendor === undefined || token === undefined || addresses["http"] === undefined) continue;
    const { headers, body } = vendor.example.request(token, values);
    const args = Object.entries(headers).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`);
    if (body !== undefined) args.push(`-d ${quote(body)}`);
    requests.push({
      title: `${vendor.name}: the vendor's endpoint`,
      command: `curl -i -X POST http://${addresses["http"]}${path} ${args.join(" ")}`,
    });
  }
  const open = config.realms.find(({ name, callers }) => callers === "anyone" && tokens.has(name))?.name;
  if (open !== undefined && addresses["grpc"] !== undefined) {
    const data = JSON.stringify({ realm: open, token: tokens.get(open) });
    requests.push({
      title: "gRPC, by reflection",
      command:
        `npx buf curl --protocol grpc --http2-prior-knowledge -d ${quote(data)} ` +
        `http://${addresses["grpc"]}/tokenverifier.v1.TokenVerifier/VerifyToken`,
    });
  }
  return requests;
}

async function exampleToken(realm: ConfiguredRealm, values: ExampleValues): Promise<string | undefined> {
  if (realm.byIssuer !== undefined) return undefined;
  const key = signingKey(realm, values.secretKey);
  const claims = { ...sampleClaims(realm, values), exp: values.now + defaultLife(realm) / 1000 };
  if (key === undefined || missingClaims(realm, claims).length > 0) return undefined;
  return signToken(realm, claims, key);
}

/** Quotes a text as one word of a POSIX shell. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
