import { expect } from "chai";
import { configuration, type Ended, folderOf, run } from "./harness.js";

// A realm that routes tokens to other realms, used from the command line.

const CONFIG = ["--config", "verifier.yaml"];

describe("the command line with a realm that routes tokens", () => {
  let folder: string;
  let token: string;
  const command = (name: string, ...args: readonly string[]): Promise<Ended> =>
    run([...name.split(" "), ...CONFIG, ...args], folder, token);
  before(async () => {
    folder = folderOf(`${configuration()}  any: { byIssuer: [partner] }\n`);
    token = (await command("mint", "--realm", "partner")).stdout.trim();
  });

  it("verify uses the realm that the token is routed to, and --explain names it", async () => {
    const { code, stdout } = await command("verify", "--realm", "any", "--explain", "-");
    expect(code, stdout).to.equal(0);
    expect(stdout).to.match(/^verified$/m);
    expect(stdout).to.match(/^ *pass +realm .*Handed to the realm partner\.$/m);
  });

  it("verify --explain explains a malformed token that is routed to no realm", async () => {
    token = `${token.slice(0, 20)}.e30.x`;
    const { code, stdout } = await command("verify", "--realm", "any", "--explain", "-");
    expect(code, stdout).to.equal(1);
    expect(stdout).to.match(/^ *FAIL +shape/m);
  });

  for (const [name, ...args] of [
    ["mint", "--realm", "any"],
    ["revoke", "--realm", "any", "--jti", "one"],
    ["keys diff", "--realm", "any", "--candidate", "none.json"],
  ] as const) {
    it(`${name} refuses a routing realm and names the realms that have their own tokens`, async () => {
      const { code, stdout, stderr } = await command(name, ...args);
      const said =
        "The realm any only routes tokens to other realms; it has no tokens or keys of its own. Choose one of: partner.\n";
      expect({ code, stdout, stderr }).to.deep.equal({ code: 2, stdout: "", stderr: said });
    });
  }
});
