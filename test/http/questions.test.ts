import { expect } from "chai";
import { failure } from "../../src/contract/verifier.js";
import { type HttpRequest, requestBytes } from "../support/http.js";
import { exampleRequest, TEST_VENDORS } from "../support/vendors.js";
import { overBoth, verdict, Wire } from "./harness.js";

// How often a request to a face asks the verifier, and about which tokens.

const GOOD = { secretKey: "sk_good", clientId: "a", clientSecret: "b" };
const STRANGER = { secretKey: "sk_wrong", clientId: "x", clientSecret: "y" };

/** Accepts `sk_good` and the client `a` as callers, and no others. */
const knowing: typeof verdict = (request) =>
  request.credential?.kind === "client" && request.credential.clientId !== "a"
    ? failure("CALLER_UNKNOWN")
    : verdict(request);

overBoth((how, open) => {
  /** Sends a request, and returns the status of the answer and the tokens that the verifier was asked about. */
  async function ask(request: HttpRequest): Promise<{ readonly status: number; readonly tokens: readonly string[] }> {
    const { port, asked } = await open(knowing);
    const wire = new Wire(port).send(requestBytes(request, ""));
    const { status } = await wire.answer();
    wire.halfClose();
    return { status, tokens: asked.map(({ token }) => token.reveal()) };
  }

  for (const vendor of TEST_VENDORS) {
    describe(`the verifier behind the face of ${vendor.name}, called ${how}`, () => {
      const good = exampleRequest(vendor, "good", GOOD);

      it(`${vendor.name}: the verifier is asked once about the token of a good request`, async () => {
        expect(await ask(good)).to.deep.equal({ status: 200, tokens: ["good"] });
      });

      it(`${vendor.name}: the verifier is asked once about a token that it rejects`, async () => {
        expect((await ask(exampleRequest(vendor, "bad", GOOD))).tokens).to.deep.equal(["bad"]);
      });

      if (vendor.callers !== "anyone") {
        it(`${vendor.name}: the verifier is asked once about the token of an unknown caller`, async () => {
          const answer = await ask(exampleRequest(vendor, "good", STRANGER));
          expect(answer).to.deep.equal({ status: 401, tokens: ["good"] });
        });
      }

      // These vendors identify callers by a header, and answer about the caller before the body.
      if (vendor.name === "clowk" || vendor.name === "acme") {
        const faults = (values: typeof GOOD): Readonly<Record<string, readonly [HttpRequest, number]>> => {
          const request = exampleRequest(vendor, "good", values);
          const headers = request.headers.map(
            ([name, value]) => [name, name === "Content-Type" ? "text/plain" : value] as const,
          );
          return {
            "without a token": [{ ...request, body: Buffer.from("{}") }, 400],
            "with an empty body": [{ ...request, body: Buffer.alloc(0) }, 400],
            "of another content type": [{ ...request, headers }, 400],
            "whose announced body is too large": [{ ...request, body: Buffer.alloc(65_537) }, 413],
            "whose chunked body is too large": [{ ...request, body: Buffer.alloc(65_537), chunked: true }, 413],
          };
        };
        for (const [what, [request, status]] of Object.entries(faults(GOOD))) {
          it(`${vendor.name}: the verifier is asked once, about the caller alone, for a request ${what}`, async () => {
            expect(await ask(request)).to.deep.equal({ status, tokens: [""] });
          });
        }
        for (const [what, [request]] of Object.entries(faults(STRANGER))) {
          it(`${vendor.name}: the verifier is asked once, about the unknown caller alone, for a request ${what}`, async () => {
            expect(await ask(request)).to.deep.equal({ status: 401, tokens: [""] });
          });
        }

        it(`${vendor.name}: the verifier is asked about the caller before a waiting client is asked for its body`, async () => {
          const waiting = (values: typeof GOOD): HttpRequest => {
            const request = exampleRequest(vendor, "good", values);
            return { ...request, headers: [...request.headers, ["Expect", "100-continue"]] };
          };
          expect(await ask(waiting(GOOD))).to.deep.equal({ status: 200, tokens: ["", "good"] });
          expect(await ask(waiting(STRANGER))).to.deep.equal({ status: 401, tokens: [""] });
        });
      }
    });
  }

  describe(`the deadline of a request to a face called ${how}`, () => {
    for (const vendor of TEST_VENDORS) {
      it(`${vendor.name}: a request that takes longer than limits.request is answered with 503`, async () => {
        const deadlines: number[] = [];
        let now = 0;
        const { port, calls } = await open(
          (_, { deadline }) => {
            deadlines.push(deadline);
            return new Promise(() => {});
          },
          { request: 100 },
          { clock: () => ++now },
        );
        const wire = new Wire(port).send(requestBytes(exampleRequest(vendor, "good", GOOD), ""));
        expect((await wire.answer()).status).to.equal(503);
        expect(deadlines).to.deep.equal([101]);
        expect(calls.map(({ outcome }) => outcome)).to.deep.equal([failure("TIMED_OUT")]);
        wire.halfClose();
      });
    }
  });
});
