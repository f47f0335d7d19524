import { join } from "node:path";
import { credentials, loadPackageDefinition, type ServiceError } from "@grpc/grpc-js";
import { load } from "@grpc/proto-loader";
import { expect } from "chai";
import { ROOT } from "../cli/harness.js";
import { readError } from "../support/grpc.js";
import { EXPIRED, expectLines, GOOD, QUESTIONS, type Services, startServices } from "./questions.js";

// A team that generates no code, and uses proto-loader with the options that its documentation shows first.

interface Answer {
  readonly verdict?: string;
  readonly verified?: { readonly token: Readonly<Record<string, unknown>>; readonly principal: unknown };
  readonly rejected?: { readonly reason: string | number; readonly claim: string };
  readonly checks: readonly unknown[];
}

interface Stub {
  VerifyToken(
    request: object,
    options: { deadline: number },
    callback: (error: ServiceError | null, answer?: Answer) => void,
  ): void;
  close(): void;
}

describe("a team that loads proto/ with proto-loader, with defaults and oneofs", () => {
  let services: Services;
  let TokenVerifier: new (address: string, credentials: object) => Stub;

  before(async () => {
    services = await startServices();
    const definition = await load("tokenverifier/v1/token_verifier.proto", {
      includeDirs: [join(ROOT, "proto")],
      keepCase: true,
      longs: String,
      enums: String,
      defaults: true,
      oneofs: true,
    });
    ({ TokenVerifier } = (
      loadPackageDefinition(definition) as unknown as {
        tokenverifier: { v1: { TokenVerifier: typeof TokenVerifier } };
      }
    ).tokenverifier.v1);
  });
  after(() => services?.close());

  function ask(to: "service" | "later", request: object): Promise<Answer | ServiceError> {
    const stub = new TokenVerifier(services.addresses[to], credentials.createInsecure());
    return new Promise<Answer | ServiceError>((resolve, reject) => {
      stub.VerifyToken(request, { deadline: Date.now() + 600_000 }, (error, answer) => {
        const ended = error ?? answer;
        if (ended === undefined) reject(new Error("neither an answer nor an error"));
        else resolve(ended);
      });
    }).finally(() => stub.close());
  }

  /** The line that the guide prints for an answer from proto-loader. */
  function line(answer: Answer | ServiceError): string {
    if (answer instanceof Error) return `no verdict: ${readError(answer).reason ?? `code ${answer.code}`}`;
    if (answer.verdict === "verified") return `verified: ${String(answer.verified?.token["subject"])}`;
    if (answer.verdict !== "rejected") return "no verdict: a kind of a later version";
    const { reason, claim } = answer.rejected ?? expect.fail("rejected is named and not there");
    return `rejected: ${typeof reason === "string" ? reason : "unknown reason"} ${claim}`;
  }

  // This client has no service config, so it does not retry.
  for (const question of QUESTIONS.filter(({ realm }) => realm !== "in trouble at first")) {
    it(`proto-loader at ${question.to === "later" ? "a later service" : "the service"} gives "${question.line}"`, async () => {
      expectLines([line(await ask(question.to, question))], [question]);
    });
  }

  it('proto-loader gives null for an absent message, "" for an absent text, and omits unset optional and oneof fields', async () => {
    const verified = (await ask("service", { realm: "lax", token: GOOD })) as Answer;
    expect(verified).to.have.all.keys("verified", "verdict", "checks", "dpop_nonce");
    expect(verified.checks).to.deep.equal([]);
    expect(verified.verified?.principal).to.have.property("user").that.does.not.have.property("email");
    expect(verified.verified?.token).to.include({ issuer: "", not_before: null });
    const rejected = await ask("service", { realm: "lax", token: EXPIRED });
    expect(rejected).to.have.all.keys("rejected", "verdict", "checks", "dpop_nonce");
  });

  it("proto-loader sends the caller in either field of the oneof", async () => {
    const stranger = { instance_secret_key: "sk_live_test_only_nobody" };
    expect(line(await ask("service", { realm: "instances", token: GOOD, ...stranger }))).to.equal(
      "no verdict: CALLER_UNKNOWN",
    );
    const client = { client_credentials: { client_id: "nobody", client_secret: "nobody's secret" } };
    expect(line(await ask("service", { realm: "instances", token: GOOD, ...client }))).to.equal(
      "no verdict: CREDENTIAL_REFUSED",
    );
  });
});
