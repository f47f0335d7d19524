import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { FetchError } from "../../../src/keys/remote/answer.js";
import type { FetchCredentials } from "../../../src/keys/remote/credentials.js";
import { fetchKeySet } from "../../../src/keys/remote/documents.js";
import { createFetcher, type FetchOptions } from "../../../src/keys/remote/fetch.js";
import type { Location } from "../../../src/keys/remote/location.js";
import { Secret } from "../../../src/util/secret.js";
import { version } from "../../../src/util/version.js";
import { pki } from "../../support/certificates.js";
import { type ConnectProxy, startProxy } from "../../support/connect-proxy.js";
import { documentOf } from "./rig.js";

// Credentials of fetches: which requests carry them, and what a failure says of them.

const SET = documentOf("a");
const { authority, server } = pki();
const TOKEN = "sa-token.Xk29";
const API_KEY = "vbQz-7781";

/** A server that answers by path, and remembers the credentials of each request. */
class Server {
  /** Path, Authorization and X-Api-Key of each request. */
  readonly seen: (readonly [path: string, authorization: string | undefined, key: string | undefined])[] = [];
  readonly agents: (string | undefined)[] = [];
  readonly answers = new Map<string, (res: http.ServerResponse) => void>();
  readonly #server: http.Server;

  constructor(tls?: https.ServerOptions) {
    const answer: http.RequestListener = (req, res) => {
      const key = req.headers["x-api-key"];
      this.seen.push([req.url ?? "", req.headers.authorization, typeof key === "string" ? key : undefined]);
      this.agents.push(req.headers["user-agent"]);
      (this.answers.get(req.url ?? "") ?? ((other) => void other.writeHead(404).end()))(res);
    };
    this.#server = tls === undefined ? http.createServer(answer) : https.createServer(tls, answer);
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `${this.#server instanceof https.Server ? "https" : "http"}://127.0.0.1:${this.port}`;
  }

  json(path: string, value: object): void {
    this.answers.set(path, (res) => void res.end(JSON.stringify(value)));
  }

  redirect(path: string, to: string): void {
    this.answers.set(path, (res) => void res.writeHead(302, { Location: to }).end());
  }

  status(path: string, status: number): void {
    this.answers.set(path, (res) => void res.writeHead(status).end());
  }

  reset(): void {
    this.seen.splice(0);
    this.answers.clear();
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe("credentials of fetches", () => {
  let one: Server;
  let other: Server;
  let folder: string;
  let file: string;
  before(async () => {
    [one, other] = await Promise.all([new Server(server).start(), new Server(server).start()]);
    folder = mkdtempSync(join(tmpdir(), "credentials-"));
    file = join(folder, "token");
  });
  after(() => {
    one.close();
    other.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    one.reset();
    other.reset();
    writeFileSync(file, `${TOKEN}\n`);
  });

  const credentials = (): FetchCredentials => ({
    origin: one.origin,
    bearerTokenFile: { file, name: "./token" },
    headers: { "X-Api-Key": new Secret(API_KEY) },
  });

  async function fetchFrom(location: Location, options: Partial<FetchOptions> = {}): Promise<unknown> {
    const entry = {
      timeout: 60_000,
      insecure: false,
      private: true,
      ca: authority.cert,
      credentials: credentials(),
    };
    const fetcher = createFetcher({ ...entry, ...options });
    try {
      const fetched = await fetcher.within((get) => fetchKeySet(location, get, undefined));
      return fetched.kind === "document" ? fetched.value : undefined;
    } finally {
      await fetcher.close();
    }
  }

  async function failing(location: Location, options: Partial<FetchOptions> = {}): Promise<string> {
    const ended = await fetchFrom(location, options).catch((error: unknown) => error);
    if (!(ended instanceof FetchError)) throw new Error(`did not fail in words: ${String(ended)}`);
    for (const value of [TOKEN, API_KEY]) expect(ended.message, "a value").not.to.include(value);
    return ended.message;
  }

  const GIVEN = [`Bearer ${TOKEN}`, API_KEY] as const;
  const NONE = [undefined, undefined] as const;
  const OPENID = "/.well-known/openid-configuration";

  it("the token of the file and the headers are sent with the keys' request", async () => {
    one.json("/jwks", SET);
    expect(await fetchFrom({ jwksUri: `${one.origin}/jwks` })).to.deep.equal(SET);
    expect(one.seen).to.deep.equal([["/jwks", ...GIVEN]]);
  });

  it("the credentials are sent with the metadata's and the keys' request at one origin", async () => {
    one.json(OPENID, { issuer: one.origin, jwks_uri: `${one.origin}/openid/v1/jwks` });
    one.json("/openid/v1/jwks", SET);
    expect(await fetchFrom({ discovery: one.origin, issuers: [one.origin] })).to.deep.equal(SET);
    expect(one.seen).to.deep.equal([
      [OPENID, ...GIVEN],
      ["/openid/v1/jwks", ...GIVEN],
    ]);
  });

  it("a redirect within the origin keeps the credentials, and one to another origin loses them", async () => {
    one.redirect("/jwks", "/moved");
    one.redirect("/moved", `${other.origin}/jwks`);
    other.json("/jwks", SET);
    expect(await fetchFrom({ jwksUri: `${one.origin}/jwks` })).to.deep.equal(SET);
    expect(one.seen).to.deep.equal([
      ["/jwks", ...GIVEN],
      ["/moved", ...GIVEN],
    ]);
    expect(other.seen).to.deep.equal([["/jwks", ...NONE]]);
  });

  it("a redirect to another origin and back does not bring the credentials back", async () => {
    one.redirect("/jwks", `${other.origin}/back`);
    other.redirect("/back", `${one.origin}/stolen`);
    one.json("/stolen", SET);
    await fetchFrom({ jwksUri: `${one.origin}/jwks` });
    expect(one.seen).to.deep.equal([
      ["/jwks", ...GIVEN],
      ["/stolen", ...NONE],
    ]);
    expect(other.seen).to.deep.equal([["/back", ...NONE]]);
  });

  it("metadata that redirect elsewhere lose the credentials for the keys too, whose origin is the configured one", async () => {
    one.redirect(OPENID, `${other.origin}/meta`);
    other.json("/meta", { issuer: one.origin, jwks_uri: `${one.origin}/jwks` });
    one.status("/jwks", 401);
    const why = await failing({ discovery: one.origin, issuers: [one.origin] });
    expect(one.seen.at(-1)).to.deep.equal(["/jwks", ...NONE]);
    expect(why).to.include("it answered 401").and.include(`are not sent to ${other.origin}`);
  });

  it("the next fetch sends the credentials again", async () => {
    one.redirect("/jwks", `${other.origin}/jwks`);
    other.json("/jwks", SET);
    const fetcher = createFetcher({
      timeout: 60_000,
      insecure: false,
      private: true,
      ca: authority.cert,
      credentials: credentials(),
    });
    for (let times = 0; times < 2; times++) await fetcher.within((get) => get(`${one.origin}/jwks`, "keys"));
    await fetcher.close();
    expect(one.seen).to.deep.equal([
      ["/jwks", ...GIVEN],
      ["/jwks", ...GIVEN],
    ]);
  });

  it("a name of the same server is another origin, and so is another port", async () => {
    const named = `https://localhost:${one.port}`;
    one.redirect("/jwks", `${named}/jwks2`);
    one.json("/jwks2", SET);
    await fetchFrom({ jwksUri: `${one.origin}/jwks` });
    expect(one.seen.at(-1)).to.deep.equal(["/jwks2", ...NONE]);
  });

  it("keys at another origin that ask for credentials make the failure say to write jwksUri", async () => {
    one.json(OPENID, { issuer: one.origin, jwks_uri: `${other.origin}/openid/v1/jwks?x=hidden` });
    other.status("/openid/v1/jwks?x=hidden", 401);
    expect(await failing({ discovery: one.origin, issuers: [one.origin] })).to.equal(
      `the keys at ${other.origin}/openid/v1/jwks?…: it answered 401; the credentials of ${one.origin} are not sent to ${other.origin}: if the keys there need them, write jwksUri with the keys' own URL`,
    );
    expect(other.seen).to.deep.equal([["/openid/v1/jwks?x=hidden", ...NONE]]);
  });

  for (const status of [401, 403]) {
    it(`an answer ${status} says which credentials were not accepted`, async () => {
      one.status("/jwks", status);
      expect(await failing({ jwksUri: `${one.origin}/jwks` })).to.equal(
        `it answered ${status}: it does not accept the token in ./token and X-Api-Key`,
      );
    });
  }

  it("an answer 401 to a fetch without credentials says what can give them, and 403 does not", async () => {
    one.status("/jwks", 401);
    expect(await failing({ jwksUri: `${one.origin}/jwks` }, { credentials: undefined })).to.equal(
      "it answered 401: it asks for credentials, which bearerTokenFile or headers can give",
    );
    one.status("/jwks", 403);
    expect(await failing({ jwksUri: `${one.origin}/jwks` }, { credentials: undefined })).to.equal("it answered 403");
  });

  it("the token's file is read for each fetch, so a rotated token is sent with the next", async () => {
    one.json("/jwks", SET);
    const fetcher = createFetcher({
      timeout: 60_000,
      insecure: false,
      private: true,
      ca: authority.cert,
      credentials: credentials(),
    });
    await fetcher.within((get) => get(`${one.origin}/jwks`, "keys"));
    writeFileSync(file, "next");
    await fetcher.within((get) => get(`${one.origin}/jwks`, "keys"));
    await fetcher.close();
    expect(one.seen.map(([, authorization]) => authorization)).to.deep.equal([`Bearer ${TOKEN}`, "Bearer next"]);
  });

  for (const [what, content, words] of [
    ["is empty", " \n", "the token file ./token is empty"],
    ["holds two lines", `${TOKEN}\n${TOKEN}`, "the token file ./token must hold one token"],
    [
      "holds the scheme too",
      `Bearer ${TOKEN}`,
      "the token file ./token must hold one token, in one line of at most 16384 characters: leave out Bearer",
    ],
    ["is too long", "x".repeat(20_000), "the token file ./token must hold one token"],
    ["is no text", Buffer.from([0xff, 0x00, 0x41]), "the token file ./token must hold one token"],
    ["is in UTF-16", Buffer.from(`\ufeff${TOKEN}`, "utf16le"), "the token file ./token is in UTF-16: save it in UTF-8"],
  ] as const) {
    it(`a token file that ${what} makes the fetch fail before a request, with the file's name`, async () => {
      writeFileSync(file, content);
      expect(await failing({ jwksUri: `${one.origin}/jwks` })).to.include(words);
      expect(one.seen).to.deep.equal([]);
    });
  }

  it("a token file that is a pipe without a writer makes the fetch fail at once", async () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const bearerTokenFile = { file: pipe, name: "./pipe" };
    const why = await failing(
      { jwksUri: `${one.origin}/jwks` },
      { credentials: { origin: one.origin, bearerTokenFile } },
    );
    expect(why).to.equal("the token file ./pipe is empty");
  });

  it("a token file that is missing makes the fetch fail with the file's name", async () => {
    const bearerTokenFile = { file: join(folder, "none"), name: "./none" };
    const why = await failing(
      { jwksUri: `${one.origin}/jwks` },
      { credentials: { origin: one.origin, bearerTokenFile } },
    );
    expect(why).to.equal("the token file ./none cannot be read (ENOENT)");
  });

  it("every request names this software, unless the configuration names another", async () => {
    one.json("/jwks", SET);
    one.agents.splice(0);
    await fetchFrom({ jwksUri: `${one.origin}/jwks` });
    const headers = { "user-agent": new Secret("curl/8") };
    await fetchFrom({ jwksUri: `${one.origin}/jwks` }, { credentials: { origin: one.origin, headers } });
    expect(one.agents).to.deep.equal([`token-verifier/${version()}`, "curl/8"]);
  });

  it("private: true admits private addresses over https, and no plain http", async () => {
    one.json("/jwks", SET);
    expect(await fetchFrom({ jwksUri: `https://localhost:${one.port}/jwks` })).to.deep.equal(SET);
    one.redirect("/jwks", `http://127.0.0.1:${one.port}/`);
    expect(await failing({ jwksUri: `${one.origin}/jwks` })).to.include("the URL is not https");
    expect(await failing({ jwksUri: "http://127.0.0.1:1/" })).to.include("the URL is not https");
  });

  describe("over plain http", () => {
    let plain: Server;
    let proxy: ConnectProxy;
    before(async () => {
      plain = await new Server().start();
      proxy = await startProxy(() => plain.port);
    });
    after(() => {
      plain.close();
      return proxy.close();
    });

    it("credentials for this machine do not leave it through a proxy", async () => {
      plain.json("/jwks", SET);
      const options = { insecure: true, credentials: { ...credentials(), origin: plain.origin } };
      expect(await fetchFrom({ jwksUri: `${plain.origin}/jwks` }, options)).to.deep.equal(SET);
      expect(plain.seen).to.deep.equal([["/jwks", ...GIVEN]]);
      const proxies = { http: `http://127.0.0.1:${proxy.port}` };
      expect(await failing({ jwksUri: `${plain.origin}/jwks` }, { ...options, proxies })).to.equal(
        `credentials are not sent over plain http through the proxy 127.0.0.1:${proxy.port}: add the host to NO_PROXY`,
      );
      expect(proxy.tunnels).to.deep.equal([]);
    });
  });
});
