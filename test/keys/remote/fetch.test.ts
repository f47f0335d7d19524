import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect } from "chai";
import { FetchError } from "../../../src/keys/remote/answer.js";
import { createFetcher, type Fetcher, type FetchOptions } from "../../../src/keys/remote/fetch.js";
import { certify, pki } from "../../support/certificates.js";
import { closedPort } from "../../support/closed-port.js";
import { type ConnectProxy, startProxy } from "../../support/connect-proxy.js";
import { Issuer } from "./misbehaving.js";
import { documentOf } from "./rig.js";

const SET = documentOf("a");
const HOUR = 3_600_000;
/** A timeout that no answer reaches on any machine, in milliseconds; tests end the wait for a silent server themselves. */
const PATIENCE = 60_000;

const { authority, stranger, server } = pki();
const names = [
  ["IP", "127.0.0.1"],
  ["DNS", "localhost"],
] as const;

/** The timers of a fetcher, which run out when the test calls runOut. */
class Timers {
  /** The delay of every timer that was started, in milliseconds. */
  readonly begun: number[] = [];
  readonly #running = new Set<() => void>();

  readonly after: FetchOptions["after"] & {} = (millis, run) => {
    this.begun.push(millis);
    this.#running.add(run);
    return () => void this.#running.delete(run);
  };

  runOut(): void {
    for (const run of this.#running) run();
  }
}

describe("fetching", () => {
  let plain: Issuer;
  let secure: Issuer;
  let expired: Issuer;
  before(async () => {
    const old = certify("issuer", { issuer: authority, names, from: Date.now() - 2 * HOUR, to: Date.now() - HOUR });
    [plain, secure, expired] = await Promise.all([
      Issuer.start(),
      Issuer.start({ tls: server }),
      Issuer.start({ tls: old }),
    ]);
  });
  after(() => Promise.all([plain, secure, expired].map((one) => one.close())));

  const get = async (url: string, options: Partial<FetchOptions> = {}, etag?: string): Promise<any> => {
    const fetcher = createFetcher({ timeout: PATIENCE, insecure: true, ...options });
    try {
      return await fetcher.within((ask) =>
        ask(url, "keys", etag === undefined ? undefined : { etag, lastModified: null }),
      );
    } finally {
      await fetcher.close();
    }
  };
  const failing = async (url: string, options: Partial<FetchOptions> = {}, etag?: string): Promise<string> => {
    const ended = await get(url, options, etag).catch((error: unknown) => error);
    if (!(ended instanceof FetchError)) throw new Error(`did not fail in words: ${String(ended)}`);
    return ended.message;
  };
  /** Waits until this path is requested. @returns the paths requested until then */
  const untilAsked = async (path: string): Promise<readonly string[]> => {
    const seen: string[] = [];
    while (!seen.includes(path)) seen.push(...(await plain.requests()));
    return seen;
  };

  it("a fetch returns the document, its validators and its lifetime", async () => {
    const headers = { ETag: '"1"', "Last-Modified": "then", "Cache-Control": "max-age=60" };
    await plain.be("publish", SET, { headers });
    expect(await get(plain.url)).to.deep.equal({
      kind: "document",
      value: SET,
      validators: { etag: '"1"', lastModified: "then" },
      lifetime: 60,
    });
    expect(await get(plain.url, {}, '"1"')).to.deep.equal({ kind: "unchanged", lifetime: 60 });
    expect(await get(plain.url, {}, '"2"')).to.include({ kind: "document" });
  });

  it("a fetch sends If-Modified-Since if there is no ETag", async () => {
    const modified = "Fri, 15 Jan 2027 08:00:00 GMT";
    await plain.be("publish", SET, { headers: { "Last-Modified": modified, "Cache-Control": "max-age=60" } });
    const fetcher = createFetcher({ timeout: PATIENCE, insecure: true });
    const ask = (lastModified: string) => fetcher.within((one) => one(plain.url, "keys", { etag: null, lastModified }));
    expect(await ask(modified)).to.deep.equal({ kind: "unchanged", lifetime: 60 });
    expect(await ask("Thu, 14 Jan 2027 08:00:00 GMT")).to.deep.include({ kind: "document", value: SET });
    await fetcher.close();
  });

  it("a fetch follows a redirection", async () => {
    await plain.be("elsewhere", SET);
    await plain.requests();
    expect(await get(plain.url)).to.deep.include({ value: SET });
    expect(await plain.requests()).to.deep.equal(["/jwks", "/there"]);
  });

  for (const [mode, words, requests] of [
    ["500", /^it answered 500$/, 1],
    ["503", /^it answered 503$/, 1],
    ["404", /^it answered 404$/, 1],
    ["html", /^it gave an HTML page, not a JWK Set: open the URL in a browser/, 1],
    ["html as json", /^it gave an HTML page, not a JWK Set/, 1],
    ["garbage", /not JSON/, 1],
    ["no body", /^it gave an empty body, not a JWK Set/, 1],
    ["half a body", /connection failed/, 1],
    ["closes mid-way", /connection failed/, 1],
    ["closes at once", /connection failed \(UND_ERR_SOCKET\)/, 1],
    ["no http", /connection failed/, 1],
    ["circle", /redirects more than 3 times/, 4],
    ["huge", /longer than 1048576 bytes/, 1],
    ["304 to anything", /^it answered 304$/, 1],
    ["leads to a file", /^redirected to file:\/\/\/etc\/passwd: the URL is not https$/, 1],
  ] as const) {
    it(`a server in mode "${mode}" makes the fetch fail with a message, after ${requests} requests`, async () => {
      await plain.be(mode, SET);
      await plain.requests();
      expect(await failing(plain.url)).to.match(words);
      expect(await plain.requests()).to.have.length(requests);
    });
  }

  for (const mode of ["silent", "drip"]) {
    it(`a server in mode "${mode}" is given up at the timeout and not asked again`, async () => {
      await plain.be(mode, SET);
      await plain.requests();
      const timers = new Timers();
      const asked = failing(plain.url, { after: timers.after });
      expect(await untilAsked("/jwks")).to.deep.equal(["/jwks"]);
      timers.runOut();
      expect(await asked).to.equal(`no answer within ${PATIENCE} ms`);
      expect(timers.begun).to.deep.equal([PATIENCE]);
      expect(await plain.requests()).to.deep.equal([]);
    });
  }

  const KEYS = '"keys":[]';
  for (const [what, document] of [
    ["a member twice", `{${KEYS},${KEYS}}`],
    ["a member twice, spelt otherwise", `{${KEYS},"\\u006beys":[]}`],
    ["a member of a key twice", '{"keys":[{"kid":"a","kid":"b"}]}'],
    ["two byte order marks", `\ufeff\ufeff{${KEYS}}`],
    ["more than 128 levels", `{${KEYS},"x":${"[".repeat(128)}${"]".repeat(128)}}`],
    ["more levels than any stack holds", `{${KEYS},"x":${"[".repeat(500_000)}${"]".repeat(500_000)}}`],
    ["more than 2,000 elements", `{"keys":[{}${",{}".repeat(170_000)}]}`],
  ] as const) {
    it(`a document with ${what} is refused`, async () => {
      await plain.be("verbatim", document);
      expect(await failing(plain.url)).to.equal(
        "the answer is not JSON that can be read in one way only: an object in UTF-8, no member twice, " +
          "at most 128 levels and 2000 members and elements",
      );
    });
  }

  it("a document is read whatever its media type says, and after a byte order mark", async () => {
    await plain.be("wrong type", SET);
    expect(await get(plain.url)).to.deep.include({ value: SET });
    await plain.be("verbatim", `\ufeff${JSON.stringify(SET)}`);
    expect(await get(plain.url)).to.deep.include({ value: SET });
  });

  it("control: a document with 128 levels is read", async () => {
    const document = `{${KEYS},"x":${"[".repeat(127)}${"]".repeat(127)}}`;
    await plain.be("verbatim", document);
    expect(await get(plain.url)).to.deep.include({ value: JSON.parse(document) as unknown });
  });

  it("a 304 to a request without validators is a failure", async () => {
    await plain.be("304 to anything");
    expect(await failing(plain.url, {}, "")).to.equal("it answered 304");
  });

  it("a closed port makes the fetch fail with ECONNREFUSED", async () => {
    const { port, release } = await closedPort();
    expect(await failing(`http://127.0.0.1:${port}/jwks`)).to.equal("the connection failed (ECONNREFUSED)");
    release();
  });

  it("an unknown host makes the fetch fail with the resolver's error", async () => {
    expect(await failing("https://no-such-host.invalid/", { insecure: false, timeout: 5000 })).to.match(
      /ENOTFOUND|EAI_AGAIN|no answer/,
    );
  });

  describe("over TLS", () => {
    before(async () => {
      await secure.be("publish", SET);
      await expired.be("publish", SET);
    });

    it("a fetch over TLS trusts the configured authority and no other", async () => {
      expect(await get(secure.url, { ca: authority.cert })).to.deep.include({ value: SET });
      expect(await failing(secure.url)).to.match(/^the connection failed \((UNABLE|SELF_SIGNED|DEPTH)\w+\)$/);
      expect(await failing(secure.url, { ca: stranger.cert })).to.match(/^the connection failed/);
    });

    it("a fetch over TLS refuses an expired certificate and another host's certificate", async () => {
      expect(await failing(expired.url, { ca: authority.cert })).to.include("CERT_HAS_EXPIRED");
      const elsewhere = await Issuer.start({
        tls: certify("other", { issuer: authority, names: [["DNS", "other.example"]] }),
      });
      expect(await failing(elsewhere.url, { ca: authority.cert })).to.include("ERR_TLS_CERT_ALTNAME_INVALID");
      await elsewhere.close();
    });
  });

  describe("without insecure", () => {
    const port = (): number => secure.port;
    const literals =
      "127.0.0.1 127.1 0x7f000001 2130706433 0177.0.0.1 127.0.0.1. 0 0.0.0.0 169.254.169.254 10.0.0.1 ①②⑦.0.0.1 127。0。0。1 " +
      "[::1] [::ffff:127.0.0.1] [0:0:0:0:0:ffff:7f00:1] [::] [fe80::1] [fd00::1]";
    for (const host of literals.split(" ")) {
      it(`a fetch without insecure sends nothing to ${host}`, async () => {
        await secure.requests();
        const why = await failing(`https://${host}:${port()}/jwks`, { insecure: false, ca: authority.cert });
        expect(why).to.equal("the address is not public, which private: true would allow");
        expect(await secure.requests()).to.deep.equal([]);
      });
    }

    for (const host of ["localhost", "localhost."]) {
      it(`a fetch without insecure sends nothing to ${host}, which resolves to a private address`, async () => {
        await secure.requests();
        const why = await failing(`https://${host}:${port()}/jwks`, { insecure: false, ca: authority.cert });
        expect(why).to.match(/no public address|ENOTFOUND|EAI_AGAIN/);
        expect(await secure.requests()).to.deep.equal([]);
      });
    }

    it("a fetch looks a name up once, for the connection itself, so that DNS rebinding cannot change the checked address", async () => {
      const real = dns.lookup;
      let answers = 0;
      const rebinding = (_host: string, _options: object, callback: (error: null, found: object[]) => void): void => {
        answers++;
        callback(null, [{ address: "127.0.0.1", family: 4 }]);
      };
      dns.lookup = rebinding as unknown as typeof dns.lookup;
      syncBuiltinESMExports();
      try {
        await secure.connections();
        const why = await failing(`https://issuer.example:${port()}/jwks`, { insecure: false, ca: authority.cert });
        expect(why).to.equal("its host has no public address, which private: true would allow");
        expect([answers, await secure.connections()]).to.deep.equal([1, 0]);
      } finally {
        dns.lookup = real;
        syncBuiltinESMExports();
      }
    });

    it("a fetch without insecure refuses plain http and URLs with credentials", async () => {
      expect(await failing("http://1.1.1.1/", { insecure: false })).to.include("not https");
      expect(await failing("https://a:b@1.1.1.1/", { insecure: false })).to.include("credentials");
      expect(await failing(plain.url.replace("//", "//user@"))).to.include("credentials");
    });
  });

  for (const mode of ["silent", "drip"]) {
    it(`a server in mode "${mode}" is given up at the timeout even if garbage is collected during the wait`, async () => {
      setFlagsFromString("--expose-gc");
      const collect = runInNewContext("gc") as () => void;
      await plain.be(mode, SET);
      const asked = failing(plain.url, { timeout: 1000 });
      const collecting = setInterval(collect, 100);
      try {
        expect(await asked).to.equal("no answer within 1000 ms");
      } finally {
        clearInterval(collecting);
      }
    });
  }

  it("documents fetched together share one timeout", async () => {
    await plain.be("publish", SET, { path: "/metadata" });
    await plain.be("silent", SET);
    await plain.requests();
    const timers = new Timers();
    const fetcher = createFetcher({ timeout: PATIENCE, insecure: true, after: timers.after });
    try {
      const ended = fetcher
        .within(async (ask) => {
          for (let times = 0; times < 5; times++) await ask(plain.at("/metadata"), "keys");
          await ask(plain.url, "keys");
        })
        .catch((error: unknown) => (error as Error).message);
      await untilAsked("/jwks");
      expect(timers.begun).to.deep.equal([PATIENCE]);
      timers.runOut();
      expect(await ended).to.equal(`no answer within ${PATIENCE} ms`);
      await expectNone(fetcher, timers);
    } finally {
      await fetcher.close();
    }
  });

  /** Expects that nothing is requested once the timeout is over. */
  async function expectNone(fetcher: Fetcher, timers: Timers): Promise<void> {
    const ended = fetcher
      .within(async (ask) => {
        await ask(plain.at("/silent"), "keys").catch(() => {});
        await ask(plain.at("/metadata"), "keys");
      })
      .catch((error: unknown) => (error as Error).message);
    const asked = await untilAsked("/silent");
    timers.runOut();
    expect(await ended).to.equal(`no answer within ${PATIENCE} ms`);
    expect([...asked, ...(await plain.requests())]).to.deep.equal(["/silent"]);
  }

  it("a fetch over https does not go on over plain http, even with insecure", async () => {
    await secure.be("leads on", plain.url);
    await plain.be("publish", SET);
    await plain.requests();
    expect(await failing(secure.url, { ca: authority.cert })).to.equal(
      `redirected to ${plain.url}: the URL is not https`,
    );
    // A URL from a fetched document, such as an issuer's metadata, does not lead to plain http either.
    await secure.be("publish", SET);
    const fetcher = createFetcher({ timeout: PATIENCE, insecure: true, ca: authority.cert });
    const ended = await fetcher
      .within(async (ask) => {
        await ask(secure.url, "keys");
        return ask(plain.url, "keys");
      })
      .catch((error: unknown) => (error as Error).message);
    await fetcher.close();
    expect(ended).to.equal("the URL is not https");
    expect(await plain.requests()).to.deep.equal([]);
  });

  it("a fetch follows a redirection from plain http to https", async () => {
    await secure.be("publish", SET);
    await plain.be("leads on", secure.url);
    expect(await get(plain.url, { ca: authority.cert })).to.deep.include({ value: SET });
  });

  it("closing the fetcher ends a fetch at once", async () => {
    await plain.be("silent");
    const fetcher = createFetcher({ timeout: 60_000, insecure: true });
    const asked = fetcher.within((ask) => ask(plain.url, "keys")).catch((error: unknown) => (error as Error).message);
    await fetcher.close();
    expect(await asked).to.equal("the service is stopping");
  });

  describe("through the environment's proxy", () => {
    let proxy: ConnectProxy;
    let address: string;
    before(async () => {
      proxy = await startProxy((target) => (target.startsWith("plain") ? plain.port : secure.port));
      // The proxy's name leads to a private address, since a proxy is usually inside the network.
      address = `http://localhost:${proxy.port}`;
      await secure.be("publish", SET);
      await plain.be("publish", SET);
    });
    after(() => proxy.close());
    beforeEach(() => void proxy.tunnels.splice(0));

    it("a fetch through the proxy names the public host and checks the host's certificate itself", async () => {
      const tls = certify("issuer", { issuer: authority, names: [["DNS", "issuer.example"]] });
      const named = await Issuer.start({ tls });
      await named.be("publish", SET);
      const before = secure;
      secure = named;
      try {
        const options = { insecure: false, proxies: { https: address } };
        expect(await get("https://issuer.example/jwks", { ...options, ca: authority.cert })).to.deep.include({
          value: SET,
        });
        expect(proxy.tunnels).to.deep.equal(["issuer.example:443"]);
        expect(await failing("https://issuer.example/jwks", options)).to.include("the connection failed");
        expect(await failing("https://other.example/jwks", { ...options, ca: authority.cert })).to.include("ALTNAME");
      } finally {
        secure = before;
        await named.close();
      }
    });

    it("a fetch through the proxy follows no redirection to a private address, to plain http or to a URL with credentials", async () => {
      const tls = certify("issuer", { issuer: authority, names: [["DNS", "issuer.example"]] });
      const named = await Issuer.start({ tls });
      const before = secure;
      secure = named;
      try {
        for (const [target, why] of [
          ["https://10.0.0.1/", /not public/],
          ["https://0.0.0.0/", /not public/],
          ["https://2130706433/", /not public/],
          ["https://[::ffff:169.254.169.254]/", /not public/],
          ["http://169.254.169.254/latest/meta-data", /not https/],
          ["http://issuer.example/", /not https/],
          ["https://user:word@issuer.example/", /credentials/],
          ["file:///etc/passwd", /not https/],
        ] as const) {
          await named.be("leads on", target);
          proxy.tunnels.splice(0);
          const options = { insecure: false, proxies: { http: address, https: address }, ca: authority.cert };
          expect(await failing("https://issuer.example/jwks", options), target).to.match(why);
          expect(proxy.tunnels, target).to.deep.equal(["issuer.example:443"]);
        }
      } finally {
        secure = before;
        await named.close();
      }
    });

    it("a fetch over plain http goes through the proxy too, if plain http is allowed", async () => {
      expect(await get("http://plain.example/jwks", { proxies: { http: address } })).to.deep.include({ value: SET });
      expect(proxy.tunnels).to.deep.equal(["plain.example:80"]);
    });

    it("a fetch sends no private address to the proxy", async () => {
      const why = await failing("https://10.0.0.1/jwks", { insecure: false, proxies: { https: address } });
      expect(why).to.include("not public");
      expect(proxy.tunnels).to.deep.equal([]);
    });

    it("a fetch connects directly to a host in NO_PROXY, with every check", async () => {
      const options = { proxies: { https: address, no: "localhost,127.0.0.1" }, ca: authority.cert };
      expect(await get(secure.url, options)).to.deep.include({ value: SET });
      const named = `https://localhost:${secure.port}/jwks`;
      expect(await failing(named, { ...options, insecure: false })).to.include("no public address");
      expect(proxy.tunnels).to.deep.equal([]);
    });

    for (const [no, isExcepted] of [
      ["*", true],
      ["a.example,\tKEYS.example", true],
      ["keys.example:80 keys.example:1", true],
      [".example", true],
      ["*.example", true],
      ["*example", true],
      ["keys.example:443", false],
      [".keys.example", false],
      ["example", false],
      ["eys.example", false],
      [" , ", false],
      ["", false],
    ] as const) {
      it(`NO_PROXY=${JSON.stringify(no)} ${isExcepted ? "excepts" : "does not except"} http://keys.example`, async () => {
        // An excepted host is looked up by its name, which does not exist, so that the look-up may take some time.
        const timeout = isExcepted ? 5000 : PATIENCE;
        const ended = get("http://keys.example/jwks", { proxies: { http: address, no }, timeout });
        await ended.catch(() => {});
        expect(proxy.tunnels).to.deep.equal(isExcepted ? [] : ["keys.example:80"]);
      });
    }

    it("an empty proxy setting counts as absent, and the proxy for http serves https if https has none", async () => {
      expect(await get(plain.url, { proxies: { http: "", https: "" } })).to.deep.include({ value: SET });
      expect(proxy.tunnels).to.deep.equal([]);
      await failing("https://issuer.example/jwks", { proxies: { http: address } });
      expect(proxy.tunnels).to.deep.equal(["issuer.example:443"]);
    });

    describe("a proxy that does not work", () => {
      const secret = "user:Xk29-vbQz@";
      const asking = (proxies: string): Promise<string> =>
        failing("https://issuer.example/jwks", { insecure: false, proxies: { https: proxies }, timeout: 5000 });

      it("the error names a proxy with a closed port, without its credentials", async () => {
        const { port, release } = await closedPort();
        const why = await asking(`http://${secret}127.0.0.1:${port}`);
        expect(why).to.equal(`the connection failed (ECONNREFUSED), through the proxy 127.0.0.1:${port}`);
        release();
      });

      it("the error names a proxy whose host is unknown, with its default port", async () => {
        const why = await asking(`http://${secret}no-such-proxy.invalid`);
        expect(why).to.match(/^(the connection failed|no answer).*, through the proxy no-such-proxy\.invalid:80$/);
      });

      for (const status of [407, 403, 502]) {
        it(`the error names a proxy that answers ${status}, and the status`, async () => {
          const refusing = await startProxy(() => 0, status);
          try {
            const why = await asking(`http://${secret}127.0.0.1:${refusing.port}`);
            expect(why).to.equal(
              `the proxy refused the connection with ${status}, through the proxy 127.0.0.1:${refusing.port}`,
            );
          } finally {
            refusing.close();
          }
        });
      }

      it("the error for a status received through the proxy names the proxy, which may have sent it", async () => {
        await plain.be("503");
        const why = await failing("http://plain.example/jwks", { proxies: { http: address } });
        expect(why).to.equal(`it answered 503, through the proxy localhost:${proxy.port}`);
        await plain.be("publish", SET);
      });
    });

    it("a fetch through the proxy causes no warnings from libraries", async () => {
      const warnings: Error[] = [];
      const note = (warning: Error): unknown => warnings.push(warning);
      process.on("warning", note);
      try {
        await get("http://plain.example/jwks", { proxies: { http: address } });
        await new Promise((resolve) => setImmediate(resolve));
        expect(warnings).to.deep.equal([]);
      } finally {
        process.off("warning", note);
      }
    });
  });
});
