import { inspect } from "node:util";
import { expect } from "chai";
import { pki } from "../support/certificates.js";
import { type Env, type Files, load, wrongs } from "./harness.js";

// Keys that issuers publish, as they are configured.

const textOf = (keys: string, more: Readonly<Record<string, string>> = {}): string => {
  const settings = { algorithms: "[ES256]", issuer: "https://a.example", audience: "null", ...more };
  const rest = Object.entries(settings).map(([name, value]) => `${name}: ${value}`);
  return `grpc: 127.0.0.1:0\nrealms:\n  r: { ${rest.join(", ")}, keys: [${keys}] }\n`;
};
const remotesOf = (keys: string, more = {}, files: Files = {}) => load(textOf(keys, more), files).realms[0]?.remotes;
const wrong = (keys: string, more = {}, files: Files = {}, env: Env = {}): string[] =>
  wrongs(() => load(textOf(keys, more), files, env));

const URL = "https://a.example/jwks";
const { authority } = pki();

describe("the configuration of fetched keys", () => {
  it("a jwksUri alone gets the default settings", () => {
    expect(remotesOf(`{ jwksUri: "${URL}" }`)).to.deep.equal([
      {
        location: { jwksUri: URL },
        refreshMin: 300_000,
        refreshMax: 3_600_000,
        staleIfError: 86_400_000,
        cooldown: 30_000,
        timeout: 5000,
        insecure: false,
      },
    ]);
  });

  it("durations of fetched keys may be as short as a second", () => {
    const all = ["refreshMin", "refreshMax", "staleIfError", "cooldown", "timeout"];
    const [remote] = remotesOf(`{ jwksUri: "${URL}", ${all.map((name) => `${name}: 1s`).join(", ")} }`) ?? [];
    for (const name of all) expect(remote).to.have.property(name, 1000);
    for (const name of all) expect(wrong(`{ jwksUri: "${URL}", ${name}: 999ms }`), name).to.have.length.above(0);
  });

  it("discovery expects one of the realm's issuers in the document, or its own URL if the realm has none", () => {
    const issuersOf = (issuer: string): unknown =>
      remotesOf('{ discovery: "https://d.example" }', { issuer })?.[0]?.location;
    const discovery = "https://d.example";
    expect(issuersOf("https://a.example")).to.deep.equal({ discovery, issuers: ["https://a.example"] });
    expect(issuersOf("[https://a.example, https://b.example]")).to.deep.equal({
      discovery,
      issuers: ["https://a.example", "https://b.example"],
    });
    expect(issuersOf("null")).to.deep.equal({ discovery, issuers: [discovery, `${discovery}/`] });
  });

  for (const [url, words] of [
    ["http://a.example/jwks", /must be https/],
    ["a.example/jwks", /must be a URL/],
    ["file:///etc/keys", /must be a URL/],
    ["https://user:secret@a.example/", /without credentials/],
    ["https://a.example/#keys", /without #/],
    ["https://127.0.0.1/jwks", /not public; private: true allows it/],
    ["https://0x7f.1/jwks", /not public/],
    ["https://[::ffff:10.0.0.1]/jwks", /not public/],
    ["https://169.254.169.254/", /not public/],
    ["https://localhost/", /not public/],
    ["https://a.localhost/", /not public/],
  ] as const) {
    for (const form of ["jwksUri", "x509Uri", "discovery"]) {
      it(`${form} refuses ${url} at its place`, () => {
        const [issue = "", ...more] = wrong(`{ ${form}: "${url}" }`);
        expect(more).to.deep.equal([]);
        expect(issue).to.match(words).and.include(`realms.r.keys[0].${form}: `).and.not.include("secret@");
      });
    }
  }

  it("insecure: true allows plain http and private addresses", () => {
    for (const url of ["http://127.0.0.1:9000/jwks", "https://localhost/jwks", "http://[::1]/"]) {
      expect(remotesOf(`{ jwksUri: "${url}", insecure: true }`)?.[0]).to.deep.include({ insecure: true });
    }
  });

  it("private: true allows private addresses over https, and no plain http", () => {
    for (const url of [
      "https://127.0.0.1/jwks",
      "https://localhost/",
      "https://[fd00::1]/",
      "https://kubernetes.default.svc/",
    ]) {
      expect(remotesOf(`{ jwksUri: "${url}", private: true }`)?.[0]).to.deep.include({
        private: true,
        insecure: false,
      });
    }
    expect(wrong('{ jwksUri: "http://10.0.0.1/", private: true }')[0]).to.include("must be https");
  });

  it("each fetched form takes a token's file and headers, whose values are secrets", () => {
    for (const form of ["jwksUri", "x509Uri", "discovery"]) {
      const text = `{ ${form}: "https://A.example:443/x", bearerTokenFile: /run/token, headers: { X-Api-Key: "\${KEY}" } }`;
      const [remote] = load(textOf(text), {}, { KEY: "Xk29-vbQz" }).realms[0]?.remotes ?? [];
      const { origin, bearerTokenFile, headers } = remote?.credentials ?? expect.fail();
      expect({ origin, bearerTokenFile }).to.deep.equal({
        origin: "https://a.example",
        bearerTokenFile: { file: "/run/token", name: "/run/token" },
      });
      expect(headers?.["X-Api-Key"]?.reveal()).to.equal("Xk29-vbQz");
      expect(JSON.stringify(remote) + inspect(remote, { depth: 9 })).not.to.include("Xk29");
    }
  });

  it("a token's file need not exist, since it is read for each fetch; its name is relative to the configuration", () => {
    const [remote] = remotesOf(`{ jwksUri: "${URL}", bearerTokenFile: ./none }`) ?? [];
    expect(remote?.credentials?.bearerTokenFile?.file).to.match(/^\/.+\/none$/);
    expect(remote?.credentials?.bearerTokenFile?.name).to.equal("./none");
  });

  for (const name of "Host connection Content-Type content-length Transfer-Encoding COOKIE te Upgrade Expect If-None-Match Range Proxy-Authorization".split(
    " ",
  )) {
    it(`the header ${name} cannot be set, in any case`, () => {
      expect(wrong(`{ jwksUri: "${URL}", headers: { ${name}: Xk29 } }`)).to.deep.equal([
        `realms.r.keys[0].headers.${name}: cannot be set: it belongs to the connection or the fetch itself`,
      ]);
    });
  }

  for (const [what, headers, words] of [
    ["an empty value", '{ X-Key: "" }', /X-Key: must not be empty/],
    ["a line end in a value", '{ X-Key: "Xk29\\r\\nHost: b" }', /X-Key: must be one line of ASCII/],
    ["a blank at a value's end", '{ X-Key: "Xk29 " }', /X-Key: must be one line of ASCII/],
    ["a value that is no ASCII", '{ X-Key: "Xk29\u00e4" }', /X-Key: must be one line of ASCII/],
    ["a number", "{ X-Key: 29 }", /X-Key: must be a text: put it in quotes/],
    ["a name with a blank", '{ "X Key": Xk29 }', /must have a name of letters, digits and -/],
    ["a line end in a name", '{ "X\\nKey": Xk29 }', /must have a name of letters, digits and -/],
    ["no blank behind the colon", "{ X-Key:Xk29 }", /headers\["X-Key…"\]: must have a name of letters/],
    ["one name in two cases", "{ X-Key: Xk29, x-key: Xk29 }", /x-key: is there twice/],
    ["a list", "[Xk29]", /headers: must be a mapping/],
  ] as const) {
    it(`headers with ${what} are refused at their place, without the value`, () => {
      const [issue = "", ...more] = wrong(`{ jwksUri: "${URL}", headers: ${headers} }`);
      expect(more).to.deep.equal([]);
      expect(issue)
        .to.match(words)
        .and.match(/^realms\.r\.keys\[0\]\.headers/)
        .and.not.include("Xk29");
    });
  }

  it("Authorization may be a header, but not beside bearerTokenFile", () => {
    const header = 'headers: { authorization: "Basic Xk29" }';
    expect(remotesOf(`{ jwksUri: "${URL}", ${header} }`)).to.have.length(1);
    expect(wrong(`{ jwksUri: "${URL}", ${header}, bearerTokenFile: ./t }`)[0]).to.include("give one of the two");
  });

  for (const [url, isAllowed] of [
    ["http://127.0.0.1:9000/jwks", true],
    ["http://[::1]/jwks", true],
    ["http://localhost/jwks", true],
    ["http://10.0.0.1/jwks", false],
    ["http://issuer.internal/jwks", false],
    ["http://127.0.0.1.example/jwks", false],
    ["http://127.issuer.example/jwks", false],
    ["http://localhost.example/jwks", false],
    ["https://10.0.0.1/jwks", true],
  ] as const) {
    it(`credentials ${isAllowed ? "may" : "must not"} be sent to ${url}`, () => {
      for (const credential of ["bearerTokenFile: ./t", "headers: { X-Api-Key: Xk29 }"]) {
        const entry = `{ jwksUri: "${url}", insecure: true, ${credential} }`;
        if (isAllowed) expect(remotesOf(entry)).to.have.length(1);
        else
          expect(wrong(entry)[0]).to.include("must be https: bearerTokenFile and headers are sent over plain http to");
      }
    });
  }

  it("a refreshMin above refreshMax, a set of secrets, and a caFile without a certificate are refused", () => {
    expect(wrong(`{ jwksUri: "${URL}", refreshMin: 2h }`)[0]).to.include("refreshMin must not be longer");
    expect(wrong(`{ jwksUri: "${URL}" }`, { algorithms: "[HS256]" })[0]).to.include("publishes no secrets");
    const withCa = `{ jwksUri: "${URL}", caFile: ./ca.pem }`;
    expect(wrong(withCa)[0]).to.match(/ca\.pem/);
    expect(wrong(withCa, {}, { "ca.pem": "no certificate" })[0]).to.include("no certificate in PEM");
    expect(remotesOf(withCa, {}, { "ca.pem": authority.cert })?.[0]).to.have.property("ca", authority.cert);
  });

  it("proxies are read from the usual environment variables", () => {
    const proxies = (env: Env): unknown => load(textOf(`{ jwksUri: "${URL}" }`), {}, env).proxies;
    expect(proxies({})).to.deep.equal({});
    expect(
      proxies({ HTTPS_PROXY: "http://p.example:3128", HTTP_PROXY: "", https_proxy: "q.example:3128", NO_PROXY: "a,b" }),
    ).to.deep.equal({ https: "http://q.example:3128", no: "a,b" });
    expect(proxies({ HTTP_PROXY: "10.0.0.1:3128" })).to.deep.include({ http: "http://10.0.0.1:3128" });
  });

  it("an invalid proxy is an error only if keys are fetched", () => {
    for (const value of ["socks5://p.example", "http://", "a b"]) {
      expect(wrong(`{ jwksUri: "${URL}" }`, {}, {}, { HTTPS_PROXY: value })).to.deep.equal([
        "HTTPS_PROXY: in the environment: must be a URL such as http://proxy.example:3128",
      ]);
    }
    load("grpc: 127.0.0.1:0\nrealms: {}\n", {}, { HTTPS_PROXY: "socks5://p.example" });
  });
});
