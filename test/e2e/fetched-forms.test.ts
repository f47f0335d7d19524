import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { pino } from "pino";
import { fetchSets } from "../../src/cli/check/subject.js";
import { loadConfig } from "../../src/config/load.js";
import { openCore } from "../../src/server/core.js";
import { Secret } from "../../src/util/secret.js";
import { certify, pki } from "../support/certificates.js";
import { IssuerKey } from "../support/issuer-key.js";

// Issuers as the world has them: where their keys lie, in which form, and behind which credentials. Each configuration is
// loaded as a user writes it, and a token of the issuer is verified with it.

const ISSUER = "https://issuer.example";
const NOW = Date.now();
const DAY = 86_400_000;
const CLAIMS = { iss: ISSUER, sub: "user-1", exp: Math.floor(NOW / 1000) + 3600 };
const { authority, server: certificate } = pki();
const key = new IssuerKey("k1");
const other = new IssuerKey("k2");

/** An RSA key in a certificate, as Google publishes them. */
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const rsaToken = (kid: string): string => {
  const input = `${encode({ alg: "RS256", kid })}.${encode(CLAIMS)}`;
  return `${input}.${sign("sha256", Buffer.from(input), rsa.privateKey).toString("base64url")}`;
};

const BOM = "\ufeff";
const SET = JSON.stringify({ keys: [key.jwk] });
const OTHER_SET = JSON.stringify({ keys: [other.jwk] });
const METADATA = "/.well-known/openid-configuration";
const OAUTH = "/.well-known/oauth-authorization-server";

/** Answers by path and query: a text, or what the request gets by its headers. */
type Answers = Readonly<
  Record<string, string | ((headers: http.IncomingHttpHeaders) => string | number | { readonly to: string })>
>;

describe("issuers' keys as the world publishes them", () => {
  let folder: string;
  let plain: http.Server;
  let secure: https.Server;
  let answers: Answers = {};
  const asked: string[] = [];
  const originOf = (server: http.Server): string =>
    `${server instanceof https.Server ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "fetched-forms-"));
    const answer: http.RequestListener = ({ url = "", headers }, res) => {
      asked.push(url);
      const found = answers[url] ?? (() => 404);
      const given = typeof found === "string" ? found : found(headers);
      if (typeof given === "number") res.writeHead(given).end("{}");
      else if (typeof given === "string") res.writeHead(200, { "Content-Type": "text/html" }).end(given);
      else res.writeHead(302, { Location: given.to }).end();
    };
    plain = http.createServer(answer);
    secure = https.createServer(certificate, answer);
    for (const one of [plain, secure]) await new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve));
    writeFileSync(join(folder, "ca.pem"), authority.cert);
    writeFileSync(join(folder, "token"), "sa-token\n");
  });
  after(() => {
    for (const one of [plain, secure]) {
      one.close();
      one.closeAllConnections();
    }
    rmSync(folder, { recursive: true });
  });

  const metadata = (keys: string, issuer = ISSUER): string =>
    JSON.stringify({ issuer, jwks_uri: keys.startsWith("/") ? originOf(plain) + keys : keys });

  /** Loads a configuration with an entry of `keys`; HTTP and HTTPS in it stand for the servers. */
  function configure(entry: string, more = "algorithms: [ES256]") {
    const text = entry.replaceAll("HTTPS", originOf(secure)).replaceAll("HTTP", originOf(plain));
    writeFileSync(
      join(folder, "verifier.yaml"),
      `grpc: 127.0.0.1:0\nrealms:\n  r: { ${more}, issuer: "${ISSUER}", audience: null, keys: [${text}] }\n`,
    );
    return loadConfig(join(folder, "verifier.yaml"), { env: { KEY: "api-key-7781" } });
  }

  /** Verifies tokens one after the other. @returns `verified`, or the reason of each rejection and failure */
  async function verdicts(config: ReturnType<typeof configure>, ...tokens: readonly string[]): Promise<string[]> {
    const core = await openCore(config, { clock: () => NOW, log: pino({ level: "silent" }) });
    try {
      const all: string[] = [];
      for (const token of tokens) {
        const request = { realm: "r", token: new Secret(token), credential: undefined, explain: false };
        const call = { requestId: "r", address: "", deadline: NOW + 60_000 };
        const outcome = await core.verifier.verify(request, call);
        all.push(outcome.kind === "verified" ? "verified" : (outcome.reason ?? "without a reason"));
      }
      return all;
    } finally {
      await core.close();
    }
  }

  const whyOf = async (config: ReturnType<typeof configure>): Promise<string> => {
    const [fetched] = await fetchSets(config);
    return typeof fetched?.set === "string" ? fetched.set : "fetched";
  };

  const token = key.token(CLAIMS);
  /** Each with an entry of `keys` and the answers of the issuer. The token's key is the one of SET. */
  const ROWS: Readonly<Record<string, readonly [entry: string, answers: () => Answers]>> = {
    "a byte order mark before the set": ["{ jwksUri: HTTP/jwks, insecure: true }", () => ({ "/jwks": BOM + SET })],
    "a byte order mark before metadata and set": [
      "{ discovery: HTTP, insecure: true }",
      () => ({ [METADATA]: BOM + metadata("/jwks"), "/jwks": `${BOM} \n${SET}` }),
    ],
    "keys behind a bearer token": [
      "{ jwksUri: HTTP/auth/jwks, insecure: true, bearerTokenFile: ./token }",
      () => ({ "/auth/jwks": ({ authorization }) => (authorization === "Bearer sa-token" ? SET : 401) }),
    ],
    "keys of Kubernetes' API server": [
      "{ jwksUri: HTTPS/openid/v1/jwks, private: true, caFile: ./ca.pem, bearerTokenFile: ./token }",
      () => ({ "/openid/v1/jwks": ({ authorization }) => (authorization === "Bearer sa-token" ? SET : 403) }),
    ],
    "keys behind an API key": [
      `{ jwksUri: HTTPS/jwks, private: true, caFile: ./ca.pem, headers: { X-Api-Key: "\${KEY}" } }`,
      () => ({ "/jwks": (headers) => (headers["x-api-key"] === "api-key-7781" ? SET : 403) }),
    ],
    "keys behind Basic credentials": [
      `{ jwksUri: HTTPS/jwks, private: true, caFile: ./ca.pem, headers: { Authorization: "Basic \${KEY}" } }`,
      () => ({ "/jwks": ({ authorization }) => (authorization === "Basic api-key-7781" ? SET : 401) }),
    ],
    "a firewall that refuses requests of libraries": [
      "{ jwksUri: HTTP/jwks, insecure: true }",
      () => ({ "/jwks": (headers) => (/^token-verifier\/\d/.test(headers["user-agent"] ?? "") ? SET : 403) }),
    ],
    "an issuer whose metadata depend on a query": [
      "{ discovery: HTTP/aad?appid=abc, insecure: true }",
      () => ({
        [`/aad${METADATA}?appid=abc`]: metadata("/jwks"),
        [`/aad${METADATA}`]: metadata("/other"),
        "/jwks": SET,
        "/other": OTHER_SET,
      }),
    ],
    "the whole URL of metadata with a query, as in Azure B2C": [
      `{ discovery: "HTTP/t.onmicrosoft.com/v2.0${METADATA}?p=b2c_1_signin", insecure: true }`,
      () => ({ [`/t.onmicrosoft.com/v2.0${METADATA}?p=b2c_1_signin`]: metadata("/jwks?p=1"), "/jwks?p=1": SET }),
    ],
    "the whole URL of metadata": [
      `{ discovery: HTTP/full${METADATA}, insecure: true }`,
      () => ({ [`/full${METADATA}`]: metadata("/jwks"), "/jwks": SET }),
    ],
    "the whole URL of metadata with a slash at its end": [
      `{ discovery: HTTP${METADATA}/, insecure: true }`,
      () => ({ [METADATA]: metadata("/jwks"), "/jwks": SET }),
    ],
    "the whole URL of an authorization server's metadata": [
      `{ discovery: HTTP${OAUTH}/tenant, insecure: true }`,
      () => ({ [`${OAUTH}/tenant`]: metadata("/jwks"), "/jwks": SET }),
    ],
    "an issuer with a slash at its end, which has OAuth's metadata only": [
      "{ discovery: HTTP/tenant/, insecure: true }",
      () => ({ [`${OAUTH}/tenant`]: metadata("/jwks"), "/jwks": SET }),
    ],
    "a map of certificates": [
      "{ x509Uri: HTTP/x509, insecure: true }",
      () => {
        const ec = (from: IssuerKey) => certify("signer", { keys: from.privateKey }).cert;
        return { "/x509": JSON.stringify({ k1: ec(key), k2: ec(other) }) };
      },
    ],
    "a map with an expired certificate": [
      "{ x509Uri: HTTP/x509, insecure: true }",
      () => ({ "/x509": JSON.stringify({ k1: certify("signer", { keys: key.privateKey, to: NOW - DAY }).cert }) }),
    ],
    "a SPIFFE bundle": [
      "{ jwksUri: HTTP/bundle, insecure: true, use: [jwt-svid] }",
      () => ({
        "/bundle": JSON.stringify({
          spiffe_sequence: 1,
          keys: [
            { ...other.jwk, use: "x509-svid" },
            { ...key.jwk, use: "jwt-svid" },
          ],
        }),
      }),
    ],
    "metadata whose keys are for a use of their own": [
      "{ discovery: HTTP, insecure: true, use: [jwt-svid, none] }",
      () => ({
        [METADATA]: metadata("/jwks"),
        "/jwks": JSON.stringify({
          keys: [
            { ...key.jwk, use: undefined },
            { ...other.jwk, use: "jwt-svid" },
          ],
        }),
      }),
    ],
  };

  for (const [what, [entry, make]] of Object.entries(ROWS)) {
    it(`a token is verified with ${what}`, async () => {
      answers = make();
      expect(await verdicts(configure(entry), token), await whyOf(configure(entry))).to.deep.equal(["verified"]);
    });
  }

  it("a token signed with RSA is verified with a map of certificates, and one with another kid is not", async () => {
    const cert = certify("securetoken", { keys: rsa.privateKey }).cert;
    answers = { "/x509": JSON.stringify({ b1e2: cert, c3: certify("old", { to: NOW - DAY }).cert }) };
    const config = configure("{ x509Uri: HTTP/x509, insecure: true }", "algorithms: [RS256]");
    expect(await verdicts(config, rsaToken("b1e2"), rsaToken("none"))).to.deep.equal(["verified", "KEY_UNKNOWN"]);
  });

  it("a token with an unknown kid is rejected every time, with one fetch for it", async () => {
    answers = { "/jwks": SET };
    asked.splice(0);
    const unknown = other.token(CLAIMS);
    const config = configure("{ jwksUri: HTTP/jwks, insecure: true }");
    expect(await verdicts(config, token, unknown, unknown, unknown)).to.deep.equal([
      "verified",
      ...Array<string>(3).fill("KEY_UNKNOWN"),
    ]);
    expect(asked.length).to.be.at.most(2);
  });

  it("no credential follows a redirect to another origin", async () => {
    const seen: (string | undefined)[] = [];
    answers = {
      "/jwks": () => ({ to: `${originOf(plain)}/moved` }),
      "/moved": ({ authorization }) => {
        seen.push(authorization);
        return SET;
      },
    };
    const named = originOf(plain).replace("127.0.0.1", "localhost");
    const config = configure(`{ jwksUri: "${named}/jwks", insecure: true, bearerTokenFile: ./token }`);
    expect(await verdicts(config, token)).to.deep.equal(["verified"]);
    expect(seen).to.deep.equal([undefined]);
  });

  /** Each with an entry of `keys`, the answers of the issuer, and what `check` and the log say. */
  const FAILURES: Readonly<Record<string, readonly [entry: string, answers: () => Answers, why: string]>> = {
    "keys behind a credential that is not configured": [
      "{ jwksUri: HTTP/jwks, insecure: true }",
      () => ({ "/jwks": () => 401 }),
      "it answered 401: it asks for credentials, which bearerTokenFile or headers can give",
    ],
    "a token that is not accepted": [
      "{ jwksUri: HTTP/jwks, insecure: true, bearerTokenFile: ./token }",
      () => ({ "/jwks": () => 401 }),
      "it answered 401: it does not accept the token in ./token",
    ],
    "metadata of Kubernetes, which name another origin": [
      "{ discovery: HTTPS, private: true, insecure: true, caFile: ./ca.pem, bearerTokenFile: ./token }",
      () => ({
        [METADATA]: metadata(`${originOf(secure).replace("127.0.0.1", "localhost")}/openid/v1/jwks`),
        "/openid/v1/jwks": ({ authorization }) => (authorization === undefined ? 401 : SET),
      }),
      "the keys at https://localhost:PORT/openid/v1/jwks: it answered 401; the credentials of HTTPS are not sent to https://localhost:PORT: if the keys there need them, write jwksUri with the keys' own URL",
    ],
    "a map of certificates under jwksUri": [
      "{ jwksUri: HTTP/x509, insecure: true }",
      () => ({ "/x509": JSON.stringify({ a: authority.cert }) }),
      "it gave a map of certificates, not a JWK Set: write x509Uri with this URL",
    ],
    "a JWK Set under x509Uri": [
      "{ x509Uri: HTTP/jwks, insecure: true }",
      () => ({ "/jwks": SET }),
      "it gave a JWK Set, not a map of certificates: write jwksUri with this URL",
    ],
    "metadata under jwksUri": [
      `{ jwksUri: HTTP${METADATA}, insecure: true }`,
      () => ({ [METADATA]: metadata("/jwks") }),
      "it gave an issuer's metadata, not a JWK Set: write discovery with this URL",
    ],
    "a JWK Set under discovery": [
      `{ discovery: HTTP${METADATA}, insecure: true }`,
      () => ({ [METADATA]: SET }),
      `the metadata at HTTP${METADATA}: it gave a JWK Set, not the issuer's metadata: write jwksUri with this URL`,
    ],
    "metadata that are missing": [
      "{ discovery: HTTP/t?p=hidden, insecure: true }",
      () => ({}),
      `the metadata at HTTP/t${METADATA}?…: it answered 404; the metadata at HTTP${OAUTH}/t?…: it answered 404`,
    ],
    "a redirect to a page to sign in": [
      "{ jwksUri: HTTP/jwks, insecure: true }",
      () => ({ "/jwks": () => ({ to: "/login?next=hidden" }), "/login?next=hidden": "<!doctype html>Sign in" }),
      "redirected to HTTP/login?…: it gave an HTML page, not a JWK Set: open the URL in a browser: it may be a page to sign in, or an error",
    ],
    "a token file that is missing": [
      "{ jwksUri: HTTP/jwks, insecure: true, bearerTokenFile: ./none.jwt }",
      () => ({ "/jwks": SET }),
      "the token file ./none.jwt cannot be read (ENOENT)",
    ],
  };

  for (const [what, [entry, make, why]] of Object.entries(FAILURES)) {
    it(`${what}: the failure says what is wrong and what to write`, async () => {
      answers = make();
      const port = String((secure.address() as AddressInfo).port);
      const expected = why
        .replaceAll("PORT", port)
        .replaceAll("HTTPS", originOf(secure))
        .replaceAll("HTTP", originOf(plain));
      expect(await whyOf(configure(entry))).to.equal(expected);
    });
  }
});
