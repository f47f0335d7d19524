import { expect } from "chai";
import { describeConfig, formatGatewayReport, formatReport } from "../../src/cli/check.js";
import { load } from "../config/harness.js";
import { keyOf } from "../support/keys.js";

// What `check` says of realms that are shown over HTTP by the contract itself. The command is in commands.test.ts.

const FILES = { "p256.pem": keyOf("p256").publicPem ?? "" };
const report = (http: string) =>
  describeConfig(
    load(
      `http: { address: 127.0.0.1:0${http} }\nrealms:\n` +
        "  partner: { algorithms: [ES256], issuer: null, audience: null, keys: [{ pemFile: ./p256.pem }] }\n",
      FILES,
    ),
  );

const LINE = "rpc /tokenverifier.v1.TokenVerifier/VerifyToken: realms partner";

describe("check", () => {
  it("names the realms under http.rpc, and takes them for askable", () => {
    const found = report(", rpc: [partner]");
    expect(found).to.deep.include({ rpc: ["partner"], warnings: [] });
    expect(formatReport(found).split("\n")).to.include(LINE);
  });

  it("warns of a realm that nobody can ask, and says nothing of an RPC that is not there", () => {
    const found = report("");
    expect(found.warnings).to.include(
      "realms.partner: nobody can ask it: grpc is absent, and neither a face nor http.rpc serves it",
    );
    expect(formatReport(found)).not.to.match(/^rpc /m);
  });

  it("names them for a gateway on its own too", () => {
    const gateway = { file: "gateway.yaml", upstream: "10.0.0.5:50051", http: "0.0.0.0:8080", faces: [] };
    expect(formatGatewayReport({ ...gateway, rpc: ["partner"] }).split("\n")).to.include(LINE);
    expect(formatGatewayReport({ ...gateway, rpc: [] })).not.to.match(/^rpc /m);
  });
});
