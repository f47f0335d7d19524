import { expect } from "chai";
import { pki } from "../support/certificates.js";
import { type Env, type Files, load, wrongs } from "./harness.js";

// Keys that issuers publish, as they are configured.

const text = (keys: string, more: Readonly<Record<string, string>> = {}): string => {
  const settings = { algorithms: "[ES256]", issuer: "https://a.example", audience: "null", ...more };
  const rest = Object.entries(settings).map(([name, value]) => `${name}: ${value}`);
  return `grpc: 127.0.0.1:0\nrealms:\n  r: { ${rest.join(", ")}, keys: [${keys}] }\n`;
};
const remotesOf = (keys: string, more = {}, files: Files = {}) => load(text(keys, more), files).realms[0]?.remotes;
const wrong = (keys: string, more = {}, files: Files = {}, env: Env = {}): string[] =>
  wrongs(() => load(text(keys, more), files, env));

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
    expect(issuersOf("null")).to.deep.equal({ discovery, issuers: [discovery] });
  });

  for (const [url, words] of [
    ["http://a.example/jwks", /must be https/],
    ["a.example/jwks", /must be a URL/],
    ["file:///etc/keys", /must be a URL/],
    ["https://user:secret@a.example/", /without credentials/],
    ["https://a.example/#keys", /without #/],
    ["https://127.0.0.1/jwks", /not public/],
    ["https://0x7f.1/jwks", /not public/],
    ["https://[::ffff:10.0.0.1]/jwks", /not public/],
    ["https://169.254.169.254/", /not public/],
    ["https://localhost/", /not public/],
    ["https://a.localhost/", /not public/],
  ] as const) {
    for (const form of ["jwksUri", "discovery"]) {
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

  it("a refreshMin above refreshMax, a set of secrets, and a caFile without a certificate are refused", () => {
    expect(wrong(`{ jwksUri: "${URL}", refreshMin: 2h }`)[0]).to.include("refreshMin must not be longer");
    expect(wrong(`{ jwksUri: "${URL}" }`, { algorithms: "[HS256]" })[0]).to.include("publishes no secrets");
    const withCa = `{ jwksUri: "${URL}", caFile: ./ca.pem }`;
    expect(wrong(withCa)[0]).to.match(/ca\.pem/);
    expect(wrong(withCa, {}, { "ca.pem": "no certificate" })[0]).to.include("no certificate in PEM");
    expect(remotesOf(withCa, {}, { "ca.pem": authority.cert })?.[0]).to.have.property("ca", authority.cert);
  });

  it("proxies are read from the usual environment variables", () => {
    const proxies = (env: Env): unknown => load(text(`{ jwksUri: "${URL}" }`), {}, env).proxies;
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
