import { expect } from "chai";
import { createClient, type GrpcClient } from "../support/grpc.js";
import { exchange } from "../support/http.js";
import { POISONS } from "../support/poison.js";
import { makeToken } from "../support/token.js";
import { end, folderOf, type Process, serving } from "./harness.js";

// The process of `serve` as it is shipped, in which an earlier token that misleads V8's JSON.parse (test/support/poison.ts) must
// hide no claim of a later one.

const PAST = 1_500_000_000;
const FUTURE = 9_000_000_000;

const partner = (exp: string): string =>
  makeToken({
    key: "p256",
    header: { alg: "ES256", kid: "p1" },
    claims: {},
    payload: `{"iss":"https://issuer.example","aud":"https://api.example","token_use":"access","scope":"read",${exp}}`,
  });
const integuru = (exp: string): string =>
  makeToken({
    key: "integuru",
    header: { alg: "HS256" },
    claims: {},
    payload: `{"token_type":"access","jti":"j","taiki_user_id":"u","client_app_id":"c",${exp}}`,
  });

const encode = (text: string): string => Buffer.from(text).toString("base64url");
const unsigned = (alg: string, payload: string): string =>
  `${encode(`{"alg":"${alg}"}`)}.${encode(payload)}.${"A".repeat(86)}`;

describe("serve, after tokens that mislead JSON.parse", function () {
  this.timeout(60_000);
  let service: Process;
  let port: number;
  let client: GrpcClient;

  const post = (token: string) =>
    exchange(port, {
      method: "POST",
      target: "/api/verify-token",
      headers: [["Authorization", `Bearer ${token}`]],
    });

  before(async () => {
    const started = await serving(folderOf());
    ({ service, port } = started);
    client = createClient(started.grpc);
    for (const payload of POISONS) {
      await client.verify({ realm: "partner", token: unsigned("ES256", payload) });
      await post(unsigned("HS256", payload));
    }
  });
  after(async () => {
    client.close();
    await end(service);
  });

  it("an expired token whose exp is spelt with an escape is rejected over gRPC as expired", async () => {
    const answer = await client.verify({ realm: "partner", token: partner(`"ex\\u0070":${PAST}`) });
    expect(answer).to.have.nested.property("verdict.rejected.reason", "REASON_TOKEN_EXPIRED");
  });

  it("a good token whose exp is spelt with an escape is verified over gRPC", async () => {
    const answer = await client.verify({ realm: "partner", token: partner(`"ex\\u0070":${FUTURE}`) });
    expect(answer).to.have.nested.property("verdict.verified");
  });

  it("an expired token whose exp is spelt with an escape is refused at a vendor's endpoint", async () => {
    expect(await post(integuru(`"ex\\u0070":${PAST}`))).to.include({ status: 401 });
  });

  it("a good token whose exp is spelt with an escape is verified at a vendor's endpoint", async () => {
    expect(await post(integuru(`"ex\\u0070":${FUTURE}`))).to.include({ status: 200 });
  });
});
