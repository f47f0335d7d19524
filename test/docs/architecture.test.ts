import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type Running, serve } from "../../src/server/serve.js";
import { folderOf, ROOT } from "../cli/harness.js";
import { executedFiles } from "../support/executed-files.js";
import { createClient, type GrpcClient } from "../support/grpc.js";
import { createMemoryLog } from "../support/log.js";
import { makeProof, PROVEN, thumbprintOf } from "../support/proofs.js";
import { makeToken } from "../support/token.js";

const PAGE = readFileSync(join(ROOT, "docs/architecture.md"), "utf8");

/** A service without a store, so that nothing but the measured work runs. */
const CONFIGURATION = `grpc: 127.0.0.1:0
drain: { delay: 0s, timeout: 1s }
realms:
  partner: { algorithms: [ES256], issuer: null, audience: null, keys: [{ pemFile: ./partner.pem }] }
  bound:
    algorithms: [ES256]
    issuer: [https://a.example, https://b.example]
    audience: null
    bound: require
    keys: [{ pemFile: ./partner.pem, kid: one, issuer: https://a.example }]
`;

/** The files of src that a section of the page names. */
function filesIn(heading: string): readonly string[] {
  const [, section = ""] = PAGE.split(`\n## ${heading}\n`);
  const [text = ""] = section.split("\n## ");
  return [...new Set(Array.from(text.matchAll(/`(src\/[\w./-]+\.ts)`/g), ([, file = ""]) => file))];
}

describe("docs/architecture.md", () => {
  let folder: string;
  let service: Running;
  let client: GrpcClient;
  before(async () => {
    folder = folderOf(CONFIGURATION);
    service = await serve(join(folder, "verifier.yaml"), undefined, {
      env: {},
      clock: Date.now,
      log: createMemoryLog().log,
      watch: () => () => {},
    });
    client = createClient(service.addresses["grpc"] ?? "");
  });
  after(async () => {
    client.close();
    await service.stop();
  });

  const now = (): number => Math.trunc(Date.now() / 1000);

  /** Makes a token, which is new each time since an ES256 signature is random. */
  const tokenOf = (claims: object, header: object = {}): string =>
    makeToken({ key: "p256", header: { alg: "ES256", ...header }, claims: { ...claims } });
  const newToken = (): string => tokenOf({ exp: now() + 3600 });

  const verify = async (token: string): Promise<void> => {
    const answer = await client.verify({ realm: "partner", token });
    expect(answer).to.have.nested.property("verdict.verified");
  };

  /** The files that a section names although the work does not execute them. */
  async function notExecuted(heading: string, work: () => Promise<unknown>): Promise<readonly string[]> {
    const named = filesIn(heading);
    expect(named).to.have.length.above(5);
    const executed = await executedFiles(work);
    return named.filter((file) => !executed.includes(file));
  }

  it("docs/architecture.md names only files and folders that exist", () => {
    const named = Array.from(
      PAGE.matchAll(/(?<![\w/])((?:src|test|bench|docs|proto|gen)\/[\w./-]*)/g),
      ([, name = ""]) => name,
    );
    expect(named).to.include.members(["src/jws/", "src/grpc/unary.ts"]);
    expect(named.filter((name) => !existsSync(join(ROOT, name)))).to.deep.equal([]);
  });

  it("the section on a hit names only files that a call for a known token executes", async () => {
    const token = newToken();
    await verify(token);
    expect(await notExecuted("A unary hit", () => verify(token))).to.deep.equal([]);
  });

  // The page names 27 of them; the others are helpers for claims, keys, pointers, revocations and secrets. One more layer exceeds this.
  it("a call for a known token executes at most 36 files of src", async () => {
    const token = newToken();
    await verify(token);
    expect(await executedFiles(() => verify(token))).to.have.length.at.most(36);
  });

  it("the section on a miss names only files that a call for a new token executes", async () => {
    await verify(newToken());
    expect(await notExecuted("A miss", () => verify(newToken()))).to.deep.equal([]);
  });

  it("the section on a token that no key verified names only files that a certain rejection executes", async () => {
    const reject = async (): Promise<void> => {
      const token = tokenOf({ exp: now() - 3600, iss: "https://a.example" }, { kid: "gone" });
      const answer = await client.verify({ realm: "bound", token });
      expect(answer).to.have.nested.property("verdict.rejected.reason", "REASON_TOKEN_EXPIRED");
    };
    expect(await notExecuted("A token that no key verified", reject)).to.deep.equal([]);
  });

  it("the section on a token with more to check names only files that a bound token executes", async () => {
    const verifyBound = async (): Promise<void> => {
      const claims = { exp: now() + 3600, iss: "https://a.example", cnf: { jkt: thumbprintOf("p256-other") } };
      const token = tokenOf(claims);
      const dpop = { ...PROVEN, proof: makeProof(token, { claims: { iat: now() } }) };
      const answer = await client.verify({ realm: "bound", token, proof: { dpop } });
      expect(answer).to.have.nested.property("verdict.verified");
    };
    expect(await notExecuted("A token with more to check", verifyBound)).to.deep.equal([]);
  });

  it("the section on a reload names only files that a reload executes", async () => {
    writeFileSync(join(folder, "verifier.yaml"), CONFIGURATION.replace("partner:", "corp:"));
    const reload = async (): Promise<void> => service.reload();
    expect(await notExecuted("A reload", reload)).to.deep.equal([]);
  });

  it("the section on a drain names only files that a drain executes", async () => {
    expect(await notExecuted("A drain", () => service.stop())).to.deep.equal([]);
  });
});
