import { expect } from "chai";
import { type Credential, failure, type Outcome } from "../../src/contract/verifier.js";
import { limitCredentials } from "../../src/verifier/credential-rate-limit.js";
import { collect, failing, NOW, type Running, start, VERIFIED } from "./harness.js";

const RATE = { count: 3, window: 60_000 };
const LIMITS = { perClient: RATE, perAddress: RATE };
const GOOD = "the right secret";
const secretOf = (one: Credential): string => (one.kind === "client" ? one.clientSecret : one.secretKey).reveal();

/** A service that knows one secret and the realms a, b and c, and admits three failures. @param late answers later */
async function limited(late: boolean): Promise<Running> {
  const { verify } = limitCredentials(
    {
      verify({ realm, credential }) {
        const outcome: Outcome = !"abc".includes(realm)
          ? failure("REALM_UNKNOWN")
          : credential === undefined
            ? failure("CALLER_MISSING")
            : secretOf(credential) === GOOD
              ? VERIFIED
              : failure("CALLER_UNKNOWN");
        return late ? Promise.resolve(outcome) : outcome;
      },
    },
    LIMITS,
    () => NOW,
  );
  return start(verify);
}

type Ask = (running: Running, requests: readonly object[]) => Promise<readonly string[]>;
const kindsOf = (responses: any[]): string[] =>
  responses.map(({ error }) => error?.reason.slice("ERROR_REASON_".length) ?? "verdict");

const METHODS: Readonly<Record<string, Ask>> = {
  BatchVerifyTokens: async ({ client }, requests) =>
    kindsOf((await client.call("BatchVerifyTokens", { requests })).value.responses),
  StreamVerifyTokens: async ({ client }, requests) => {
    const stream = client.stream();
    const all = collect(stream);
    stream.end({ id: "1", requests });
    return kindsOf((await all).messages[0].responses);
  },
};

describe("failed credentials of a message with many requests", () => {
  for (const [method, ask] of Object.entries(METHODS)) {
    for (const late of [false, true]) {
      const what = `${method}, outcomes ${late ? "later" : "at once"}`;
      const wrong = (secret: string, realm = "a") => ({ realm, instanceSecretKey: secret });
      const tokens = (count: number, ...of: object[]) =>
        Array.from({ length: count }, (_, index) => ({ token: `t${index}`, ...of[index % of.length] }));

      it(`${what}: a wrong secret with a thousand tokens and several realms is one failure`, async () => {
        const running = await limited(late);
        const requests = tokens(1000, wrong("x", "a"), wrong("x", "b"), wrong("x", "c"));
        for (let message = 0; message < RATE.count; message++) {
          expect(new Set(await ask(running, requests))).to.deep.equal(new Set(["CALLER_UNKNOWN"]));
        }
        expect(new Set(await ask(running, requests))).to.deep.equal(new Set(["RATE_LIMITED"]));
      });

      it(`${what}: each of several wrong secrets is a failure, wherever its requests are`, async () => {
        const running = await limited(late);
        expect(new Set(await ask(running, tokens(300, wrong("x"), wrong("y"), wrong("z", "b"))))).to.deep.equal(
          new Set(["CALLER_UNKNOWN"]),
        );
        const error = await failing(running.client.call("VerifyToken", { token: "t", ...wrong("v") }));
        expect(error.details).to.include("Too many");
      });

      it(`${what}: a message guesses no more secrets than the limit allows`, async () => {
        const running = await limited(late);
        const secrets = ["u", "v", "w", "x", GOOD];
        const told = await ask(running, tokens(100, ...secrets.map((secret) => wrong(secret))));
        for (const [index, secret] of secrets.entries()) {
          const own = new Set(told.filter((_, place) => place % secrets.length === index));
          expect(own, secret).to.deep.equal(new Set([index < RATE.count ? "CALLER_UNKNOWN" : "RATE_LIMITED"]));
        }
      });

      it(`${what}: a wrong secret in a realm that does not exist is no failure`, async () => {
        const running = await limited(late);
        for (let message = 0; message <= RATE.count; message++) {
          const told = await ask(running, tokens(100, wrong("x", "z")));
          expect(new Set(told)).to.deep.equal(new Set(["REALM_UNKNOWN"]));
        }
        expect(new Set(await ask(running, tokens(10, wrong(GOOD))))).to.deep.equal(new Set(["verdict"]));
      });
    }
  }
});
