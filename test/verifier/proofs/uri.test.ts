import { expect } from "chai";
import fc from "fast-check";
import { normalizeUri } from "../../../src/verifier/proofs/uri.js";

/** The normalized URI as one text; undefined for one that is refused. */
function normal(uri: string): string | undefined {
  const found = normalizeUri(uri);
  return found && `${found.scheme}://${found.host}${found.path}`;
}

describe("the URIs that DPoP compares", () => {
  for (const [uri, expected] of [
    ["https://api.example/orders", "https://api.example/orders"],
    ["HTTPS://API.Example/Orders", "https://api.example/Orders"],
    ["https://api.example", "https://api.example/"],
    ["https://api.example?x=1", "https://api.example/"],
    ["https://api.example/a?x=1#y", "https://api.example/a"],
    ["https://api.example/a#y?x", "https://api.example/a"],
    ["https://api.example:443/a", "https://api.example/a"],
    ["https://api.example:/a", "https://api.example/a"],
    ["http://api.example:80/a", "http://api.example/a"],
    ["http://api.example:443/a", "http://api.example:443/a"],
    ["https://api.example:8443/a", "https://api.example:8443/a"],
    ["https://[2001:DB8::1]:443/a", "https://[2001:db8::1]/a"],
    ["https://127.0.0.1/a", "https://127.0.0.1/a"],
    ["https://0x7f.1/a", "https://0x7f.1/a"],
    ["https://ex%41mple/a", "https://example/a"],
    ["https://%c3%a9.example/a", "https://%C3%A9.example/a"],
    ["https://a/%7Ebob/%2f%3a", "https://a/~bob/%2F%3A"],
    ["https://a/%2541", "https://a/%2541"],
    ["https://a/b/./c/../d", "https://a/b/d"],
    ["https://a/b/%2e%2E/d", "https://a/d"],
    ["https://a/../../b", "https://a/b"],
    ["https://a/b/..", "https://a/"],
    ["https://a/b/.", "https://a/b/"],
    ["https://a/b/...", "https://a/b/..."],
    ["https://a//b//", "https://a//b//"],
    ["https://a/b//../c", "https://a/b/c"],
    ["https://a/b;c=1/{d}|e", "https://a/b;c=1/{d}|e"],
  ] as const) {
    it(`${uri} is read as ${expected}`, () => expect(normal(uri)).to.equal(expected));
  }

  for (const uri of [
    "",
    "/orders",
    "api.example/orders",
    "//api.example/orders",
    "ftp://api.example/",
    "https:/api.example/",
    "https:api.example",
    "https:///orders",
    "https://?x",
    "https://:443/",
    "https://user@api.example/",
    "https://user:password@api.example/",
    "https://api.example:x/",
    "https://api.example:443:443/",
    "https://[::1/",
    "https://::1/",
    "https://api.example\\orders",
    "https:\\\\api.example/",
    "https://api.example/a b",
    " https://api.example/",
    "https://api.example/\n",
    "https://api.example/\t",
    "https://api.example/\u0000",
    "https://api.example/\u007f",
    "https://api.example/é",
    "https://api.example/?é",
    "https://exämple/",
    "https://api.example/%",
    "https://api.example/%4",
    "https://api.example/%zz",
    `https://api.example/${"a".repeat(8192)}`,
  ]) {
    it(`${JSON.stringify(uri.slice(0, 40))} is refused`, () => expect(normal(uri)).to.equal(undefined));
  }

  it("a query may be longer than any proof", () => {
    expect(normal(`https://api.example/a?${"x".repeat(100_000)}`)).to.equal("https://api.example/a");
  });

  const segment = fc.string({
    unit: fc.constantFrom(..."aZ09-._~!$&'()*+,;=:@/".split(""), "%2F", "%C3%A9"),
    maxLength: 8,
  });
  const uri = fc
    .record({
      scheme: fc.constantFrom("http", "https"),
      host: fc.constantFrom("api.example", "a-b.c", "[::1]", "10.0.0.1", "x%20y"),
      port: fc.constantFrom("", ":80", ":443", ":8080", ":"),
      path: fc.array(segment, { maxLength: 5 }).map((segments) => segments.map((one) => `/${one}`).join("")),
    })
    .map(({ scheme, host, port, path }) => `${scheme}://${host}${port}${path}`);

  it("normalizing twice is normalizing once", () => {
    fc.assert(
      fc.property(uri, (one) => {
        const once = normal(one) ?? expect.fail();
        expect(normal(once)).to.equal(once);
      }),
    );
  });

  it("another spelling of a URI is equal to it, and another URI is not", () => {
    const escapeSome = (path: string, which: readonly boolean[]): string =>
      path.replace(/%..|[\w.~-]/g, (char, at: number) => {
        if (char.length > 1) return which[at % which.length] === true ? char.toLowerCase() : char;
        return which[at % which.length] === true ? `%${char.charCodeAt(0).toString(16)}` : char;
      });
    fc.assert(
      fc.property(uri, fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), (one, which) => {
        const [, start = "", path = ""] = /^(\w+:\/\/[^/]*)(.*)$/.exec(one) ?? [];
        const spelled = `${start.toUpperCase().replace(/%../g, (escaped) => escaped.toLowerCase())}${escapeSome(path, which)}?q`;
        expect(normal(spelled)).to.equal(normal(one));
        expect(normal(`${start}/x${path}`)).not.to.equal(normal(`${start}/y${path}x`));
      }),
    );
  });

  it("for ordinary URIs it agrees with the WHATWG parser", () => {
    const ordinary = fc.webUrl({ validSchemes: ["http", "https"], withQueryParameters: true, withFragments: true });
    fc.assert(
      fc.property(ordinary, (one) => {
        const { protocol, host, pathname } = new URL(one);
        const [, , ours] = /^(\w+:\/\/[^/]+)(\/.*)$/.exec(normal(one) ?? "") ?? [];
        const unescaped = pathname.replace(/%[\dA-Fa-f]{2}/g, (escaped) => {
          const char = decodeURIComponent(/%[89a-f]/i.test(escaped) ? "%2F" : escaped);
          return /[\w.~-]/.test(char) ? char : escaped.toUpperCase();
        });
        expect(normal(one)?.startsWith(`${protocol}//${host}/`), one).to.equal(true);
        expect(ours, one).to.equal(unescaped);
      }),
    );
  });
});
