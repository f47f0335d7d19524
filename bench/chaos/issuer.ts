import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";

/** An issuer with one key, which it publishes over HTTP, unless it is away. */
export interface Issuer {
  readonly iss: string;
  readonly jwksUri: string;
  /** Signs claims with ES256. */
  token(claims: Readonly<Record<string, unknown>>): string;
  /** Resets every request for its keys, or answers again. */
  setAway(isAway: boolean): void;
  close(): void;
}

/** Starts an issuer on a free port of 127.0.0.1. */
export async function startIssuer(): Promise<Issuer> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = { ...publicKey.export({ format: "jwk" }), kid: "k1", alg: "ES256" };
  const state = { isAway: false };
  const server = http.createServer((req, res) => {
    if (state.isAway) {
      req.socket.resetAndDestroy();
      return;
    }
    res.setHeader("Content-Type", "application/jwk-set+json");
    res.end(JSON.stringify({ keys: [jwk] }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const iss = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    iss,
    jwksUri: `${iss}/jwks`,
    token(claims) {
      const input = [
        { alg: "ES256", kid: "k1" },
        { iss, ...claims },
      ]
        .map(encode)
        .join(".");
      const signature = sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" });
      return `${input}.${signature.toString("base64url")}`;
    },
    setAway(isAway) {
      state.isAway = isAway;
      if (isAway) server.closeAllConnections();
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
