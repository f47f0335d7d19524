import { expect } from "chai";
import { REALM_RULES } from "../../src/cli/check/realm-rules.js";
import { loadConfig } from "../../src/config/load.js";
import { folderOf } from "./harness.js";

// What `check` says of a realm whose longest token does not fit into a request.

const find = REALM_RULES.find(({ name }) => name === "token-exceeds-limits")?.find ?? expect.fail();

/** The messages about a vendor's realm with these settings. */
function messagesOf(top: string, realm: string): string[] {
  const folder = folderOf(`${top}\nmasterKeyFile: ./master.key\nstore: sqlite:./verifier.db\nrealms:\n  ${realm}\n`);
  return find(loadConfig(`${folder}/verifier.yaml`, { env: {} })).map(({ message }) => message);
}

/** A realm whose tokens come in a body. */
const face = (length: string): string =>
  `fiserv: { preset: fiserv, maxTokenLength: ${length}, keys: [{ pemFile: ./fiserv.pem }] }`;

/** A realm whose tokens come in a header. */
const integuru = (length: string): string =>
  `integuru: { preset: integuru, maxTokenLength: ${length}, keys: [{ secretFile: ./integuru.key }] }`;

describe("check's warning token-exceeds-limits", () => {
  it("token-exceeds-limits is silent for default limits and tokens that fit", () => {
    expect(messagesOf("grpc: 127.0.0.1:0\nhttp: 127.0.0.1:0", face("16KiB"))).to.deep.equal([]);
    expect(messagesOf("grpc: 127.0.0.1:0", face("1MiB"))).to.deep.equal([]);
  });

  it("token-exceeds-limits names the limit of what holds the token: body, headers, or the message over gRPC", () => {
    expect(messagesOf("http: 127.0.0.1:0", face("256KiB"))).to.deep.equal([
      "is 256KiB, but limits.body is 64KiB: the service refuses longer requests unread",
    ]);
    expect(messagesOf("http: 127.0.0.1:0", integuru("32KiB"))).to.deep.equal([
      "is 32KiB, but limits.headers is 16KiB: the service refuses longer requests unread",
    ]);
    expect(messagesOf("http: { address: 127.0.0.1:0, rpc: [integuru] }", integuru("65KiB"))).to.deep.equal([
      "is 65KiB, but limits.body is 64KiB, limits.headers is 16KiB: the service refuses longer requests unread",
    ]);
    expect(messagesOf("grpc: 127.0.0.1:0\nlimits: { message: 64KiB }", face("256KiB"))).to.deep.equal([
      "is 256KiB, but limits.message is 64KiB: the service refuses longer requests unread",
    ]);
  });

  it("token-exceeds-limits is silent once the limits are raised along", () => {
    const limits = "limits: { body: 256KiB, headers: 128KiB, message: 4MiB }";
    expect(messagesOf(`grpc: 127.0.0.1:0\nhttp: 127.0.0.1:0\n${limits}`, face("256KiB"))).to.deep.equal([]);
    expect(messagesOf(`grpc: 127.0.0.1:0\nhttp: 127.0.0.1:0\n${limits}`, integuru("100KiB"))).to.deep.equal([]);
  });
});
