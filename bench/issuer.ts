import { generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { later } from "./directory-data.js";

/** An issuer that publishes its keys over HTTP, and rotates them. */
export interface Issuer {
  /** The `iss` of its tokens, and the URL of its key set. */
  readonly iss: string;
  readonly jwksUri: string;
  /** Returns a good token under the newest key that was fetched twice, so that the service has the key by now. */
  token(): string;
  /** Replaces the oldest key with a new one. */
  rotate(): void;
  close(): void;
}

interface Key {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly jwk: JsonWebKey;
  /** The number of fetches of the key set with this key. */
  fetched: number;
}

/** Starts an issuer on a free port; it publishes three keys at a time, so that a key stays for some rotations. */
export async function startIssuer(): Promise<Issuer> {
  let made = 0;
  let serial = 0;
  const next = (): Key => {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const kid = `k${made++}`;
    const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg: "ES256" };
    return { kid, privateKey, jwk, fetched: 0 };
  };
  const keys = [next(), next(), next()];
  const server = http.createServer((_req, res) => {
    for (const key of keys) key.fetched += 1;
    res.setHeader("Content-Type", "application/jwk-set+json");
    res.end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const iss = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return {
    iss,
    jwksUri: `${iss}/jwks`,
    token() {
      const { kid, privateKey } = keys.findLast(({ fetched }) => fetched > 1) ?? keys[0] ?? next();
      const input = `${encode({ alg: "ES256", kid })}.${encode({ iss, exp: later(), jti: `${serial++}` })}`;
      const signature = sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" });
      return `${input}.${signature.toString("base64url")}`;
    },
    rotate() {
      keys.shift();
      keys.push(next());
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
