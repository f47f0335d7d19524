// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a configuration names its variables
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { loadGateway, wrongs } from "./harness.js";

describe("the configuration of a standalone gateway", () => {
  const TEXT =
    readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8")
      .split("```yaml\n")
      .at(-1)
      ?.split("```")[0] ?? "";

  it("the documented configuration of a gateway loads", () => {
    const { upstream, http, faces, trustedProxies } = loadGateway(TEXT);
    expect({ upstream: upstream.address, http: http.address, trustedProxies }).to.deep.equal({
      upstream: ["10.0.0.5:50051"],
      http: "0.0.0.0:8080",
      trustedProxies: [],
    });
    expect(faces.map(({ name }) => name)).to.deep.equal(["integuru", "clowk", "fiserv"]);
  });

  for (const upstream of [
    '[10.0.0.5:50051, "unix:/run/verifier.sock"]',
    '{ address: [10.0.0.5:50051, "unix:/run/verifier.sock"] }',
  ]) {
    it(`a gateway may ask several services: upstream: ${upstream}`, () => {
      const loaded = loadGateway(TEXT.replace(/upstream: \S+/, `upstream: ${upstream}`));
      expect(loaded.upstream.address).to.deep.equal(["10.0.0.5:50051", "unix:/run/verifier.sock"]);
    });
  }

  it("a gateway may name any realm under http.rpc, since only the service knows its realms", () => {
    const { http } = loadGateway(TEXT.replace(/http: (\S+)/, "http: { address: $1, rpc: [partner, clowk] }"));
    expect(http.rpc).to.deep.equal(["partner", "clowk"]);
  });

  for (const [what, change, is] of [
    [
      "http.cors without http.rpc",
      (text: string) => text.replace(/http: (\S+)/, 'http: { address: $1, cors: { origins: ["*"] } }'),
      /^http\.cors: has no effect without http\.rpc/,
    ],
    [
      "a key",
      (text: string) => text.replace("preset: fiserv,", "preset: fiserv, keys: [{ pemFile: x }],"),
      /^realms\.fiserv\.keys: is not a key that exists here/,
    ],
    ["a store", (text: string) => `${text}store: sqlite:x\n`, /^store: is not a key that exists here/],
    [
      "a realm without a preset",
      (text: string) => `${text}  other: { issuer: x }\n`,
      /^realms\.other\.preset: is missing: a gateway on its own serves only the faces of presets$/,
    ],
    [
      "no upstream",
      (text: string) => text.replace(/upstream:.*\n/, ""),
      /^upstream: is missing: give the gRPC service's address$/,
    ],
    [
      "an invalid upstream address",
      (text: string) => text.replace(/upstream: \S+/, "upstream: grpc://x"),
      /^upstream: must be the gRPC service's address such as 10\.0\.0\.5:50051/,
    ],
    [
      "an empty list of upstreams",
      (text: string) => text.replace(/upstream: \S+/, "upstream: []"),
      /^upstream: must be the gRPC service's address such as .*, a list of addresses/,
    ],
    [
      "no http",
      (text: string) => text.replace(/http:.*\n/, ""),
      /^http: is missing: give the address to show the faces at$/,
    ],
  ] as const) {
    it(`the configuration of a gateway is refused with ${what}`, () => {
      const found = wrongs(() => loadGateway(change(TEXT)));
      expect(
        found.some((one) => is.test(one)),
        found.join("\n"),
      ).to.equal(true);
      expect(found, found.join("\n")).to.have.length(1);
    });
  }
});
