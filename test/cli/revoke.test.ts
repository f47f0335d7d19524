import { expect } from "chai";
import { configuration, folderOf, run, seeded } from "./harness.js";

// `revoke` in realms of one issuer, of several, and of none.

const KEYS = "keys: [{ pemFile: ./partner.pem }]";
const realm = (name: string, issuer: string): string =>
  `  ${name}: { algorithms: [ES256], issuer: ${issuer}, audience: null, ${KEYS} }\n`;
const TEXT =
  configuration() +
  realm("several", "[https://a.example, https://b.example]") +
  realm("tenants", '"https://login.example/{tid}/v2.0"') +
  realm("unchecked", "null");

const CONFIG = ["--config", "verifier.yaml"];

describe("revoke by jti", () => {
  let folder: string;
  before(async () => {
    folder = folderOf(TEXT);
    await seeded(folder);
  });
  const revoke = (name: string, ...args: readonly string[]) =>
    run(["revoke", ...CONFIG, "--realm", name, "--jti", "j", "--json", ...args], folder);

  for (const [name, issuer, scope] of [
    ["partner", undefined, "partner"],
    ["partner", "https://issuer.example", "partner"],
    ["several", "https://b.example", "several/https://b.example"],
    ["tenants", "https://login.example/acme/v2.0", "tenants/https://login.example/acme/v2.0"],
    ["unchecked", "https://any.example", "unchecked/https://any.example"],
    ["unchecked", "", "unchecked/"],
  ] as const) {
    it(`revokes a jti of ${issuer ?? "no given issuer"} in the realm ${name}`, async () => {
      const { code, stdout, stderr } = await revoke(name, ...(issuer === undefined ? [] : ["--issuer", issuer]));
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
      expect(JSON.parse(stdout)).to.deep.equal({ realm: scope, jti: "j", until: null });
    });
  }

  for (const [name, args, words] of [
    [
      "several",
      [],
      'admits "https://a.example", "https://b.example", and two issuers may use the same jti. Give --issuer',
    ],
    ["tenants", [], "Give --issuer too: the iss of the token"],
    ["unchecked", [], "admits any issuer, and two issuers may use the same jti"],
    ["several", ["--issuer", "https://c.example"], "admits no tokens of this issuer. Give the token's iss"],
    ["tenants", ["--issuer", "https://login.example/{tid}/v2.0"], "admits no tokens of this issuer"],
    ["tenants", ["--issuer", "https://login.example/../v2.0"], "admits no tokens of this issuer"],
    ["partner", ["--issuer", "https://c.example"], "admits no tokens of this issuer"],
    ["integuru", ["--issuer", "https://c.example"], "has a preset, and its tokens one issuer. Leave --issuer out"],
    ["clowk", ["--instance", "inst_abc123", "--issuer", "clowk"], "has a preset, and its tokens one issuer"],
  ] as const) {
    it(`refuses ${args.join(" ") || "no --issuer"} in the realm ${name}, and says what to give`, async () => {
      const { code, stdout, stderr } = await revoke(name, ...args);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(JSON.parse(stderr).error.message).to.include(words);
    });
  }

  it("refuses --issuer beside --token", async () => {
    const { code, stderr } = await run(["revoke", ...CONFIG, "--token", "-", "--issuer", "x"], folder, "a.b.c");
    expect(code).to.equal(2);
    expect(stderr).to.include("a token already names its jti, its issuer and its instance");
  });
});
