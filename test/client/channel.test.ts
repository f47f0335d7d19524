import { expect } from "chai";
import { type ChannelVerifier, channelVerifier } from "../../src/client/channel.js";
import { FAILURE_REASONS } from "../../src/contract/failures.js";
import { failure, type Outcome } from "../../src/contract/verifier.js";
import { createServer } from "../../src/grpc/server.js";
import { Secret } from "../../src/util/secret.js";
import { LIMITS, NOW, REJECTED, start, VERIFIED } from "../grpc/harness.js";

const REQUEST = { realm: "r", token: new Secret("t"), credential: undefined, explain: false };
const context = (deadline = Infinity) => ({ requestId: "id-1", address: "192.0.2.1", deadline });

describe("channelVerifier", () => {
  const opened: ChannelVerifier[] = [];
  const open: typeof channelVerifier = (...args) => {
    const verifier = channelVerifier(...args);
    opened.push(verifier);
    return verifier;
  };
  after(() => {
    for (const verifier of opened) verifier.close();
  });

  const outcomes: Outcome[] = [VERIFIED, REJECTED, ...FAILURE_REASONS.map((reason) => failure(reason))];
  for (const outcome of outcomes) {
    it(`channelVerifier returns ${"reason" in outcome ? outcome.reason : outcome.kind} as the service answered it`, async () => {
      const { address, asked } = await start(() => outcome);
      expect(await open(address).verify(REQUEST, context())).to.deep.equal(outcome);
      expect(asked[0]?.call.requestId).to.equal("id-1");
    });
  }

  it("channelVerifier passes on the caller's credential and the time that is left", async () => {
    const { address, asked } = await start(() => VERIFIED, { request: 600_000 });
    const credential = { kind: "instance", secretKey: new Secret("sk") } as const;
    const deadline = Date.now() + 60_000;
    await open(address).verify({ ...REQUEST, credential, explain: true }, context(deadline));
    const [{ request, call } = expect.fail()] = asked;
    expect(request.explain).to.equal(true);
    expect(request.credential?.kind === "instance" && request.credential.secretKey.reveal()).to.equal("sk");
    // The deadline is on the service's own clock, which does not move.
    expect(call.deadline).to.be.within(NOW + 55_000, NOW + 60_100);
  });

  it("a call whose time runs out, or is over before it starts, is TIMED_OUT", async () => {
    const { address } = await start(() => new Promise(() => undefined));
    for (const left of [30, 0, -1000]) {
      expect(await open(address).verify(REQUEST, context(Date.now() + left))).to.include({ reason: "TIMED_OUT" });
    }
  });

  it("a service that is not listening is VERIFIER_UNAVAILABLE at once", async () => {
    const server = createServer({ limits: LIMITS });
    const address = await server.listen("127.0.0.1:0");
    await server.close(0);
    expect(await open(address).verify(REQUEST, context())).to.include(failure("VERIFIER_UNAVAILABLE"));
  });

  it("a port that speaks another protocol is INTERNAL", async () => {
    const server = createServer({ limits: LIMITS });
    const address = await server.listen("127.0.0.1:0");
    expect(await open(address).verify(REQUEST, context())).to.deep.equal(failure("INTERNAL"));
    await server.close(100);
  });

  it("a closed channelVerifier answers VERIFIER_UNAVAILABLE", async () => {
    const { address } = await start(() => VERIFIED);
    const verifier = channelVerifier(address);
    verifier.close();
    expect(await verifier.verify(REQUEST, context())).to.deep.equal(failure("VERIFIER_UNAVAILABLE"));
  });
});
