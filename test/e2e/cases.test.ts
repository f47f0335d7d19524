import { expect } from "chai";
import { ErrorReason, Reason, VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { requestFromWire } from "../../src/wire/messages.js";
import { type Case, readCases, readRows } from "../support/cases.js";
import { CONDITIONS, deployIn } from "../support/conditions.js";
import { callVerifyToken, connectTransport } from "../support/connect.js";
import { type Deployment, deploy } from "../support/deployment.js";
import { answerOf, expectAnswer, expectOutcome } from "../support/expect.js";
import { type Answer, createClient, type GrpcClient, type Message, readItems } from "../support/grpc.js";
import { exchange } from "../support/http.js";
import { KEYS } from "../support/keys.js";
import { revocations } from "../support/revocations.js";

// Every case of test/cases, asked in every way that it can be. The service is real, with a configuration file, a
// store and sockets; only a case with a `condition` may replace the core by a script.

const CASES = readCases();
const ROWS = readRows();

/** Asks the core directly, without a port. */
async function askCore({ verifier }: Deployment, request: Message): Promise<Answer> {
  const message = VerifyTokenRequest.fromPartial(partialOf(request));
  const context = { requestId: "a-test", address: "", deadline: Number.POSITIVE_INFINITY };
  return answerOf(await verifier.verify(requestFromWire(message), context));
}

/** Translates a request from the contract's names to those of the generated code. */
function partialOf({ instance_secret_key: key, client_credentials: client, proof, ...rest }: Message): object {
  const others = { ...rest, ...(proof !== undefined && { proof: partialProof(proof as Message) }) };
  const { client_id: clientId, client_secret: clientSecret } = (client ?? {}) as Message;
  if (key !== undefined) return { ...others, caller: { $case: "instanceSecretKey", value: key } };
  if (client !== undefined)
    return { ...others, caller: { $case: "clientCredentials", value: { clientId, clientSecret } } };
  return others;
}

function partialProof({ dpop, client_certificate: certificate }: Message): object {
  const { nonce_required: nonceRequired, ...others } = { ...(dpop as Message | undefined) };
  const [form] = Object.entries((certificate ?? {}) as Message);
  return {
    ...(dpop !== undefined && { dpop: { ...others, nonceRequired } }),
    ...(certificate !== undefined && {
      clientCertificate: { form: form && { $case: form[0], value: Buffer.from(String(form[1]), "base64") } },
    }),
  };
}

interface Services {
  readonly deployment: Deployment;
  readonly client: GrpcClient;
}

async function open(deploying: Promise<Deployment>): Promise<Services> {
  const deployment = await deploying;
  return { deployment, client: createClient(deployment.grpc) };
}

async function close({ deployment, client }: Services): Promise<void> {
  client.close();
  await deployment.close();
}

/** Checks one case in each way that it can be asked. */
function check(one: Case, services: () => Services): void {
  const { rest, grpc, condition = "" } = one;
  const { channelOnly = false, callsOnly = false, addressed = false } = CONDITIONS[condition] ?? {};
  if (rest !== undefined) {
    if (!channelOnly) {
      it(`${one.file}: ${one.name} over HTTP, with the core in process`, async () => {
        expectAnswer(await exchange(services().deployment.inProcess, rest.request), rest.answer);
      });
      it(`${one.file}: ${one.name} over HTTP, with the face mounted in Express`, async () => {
        expectAnswer(await exchange(services().deployment.throughExpress, rest.request), rest.answer);
      });
    }
    it(`${one.file}: ${one.name} over HTTP, with the core behind a gRPC channel`, async () => {
      expectAnswer(await exchange(services().deployment.overChannel, rest.request), rest.answer);
    });
  }
  if (grpc !== undefined) {
    if (!channelOnly && !callsOnly && !addressed && !condition.endsWith("fault")) {
      it(`${one.file}: ${one.name} in process`, async () => {
        expectOutcome(await askCore(services().deployment, grpc.request), grpc.outcome, one);
      });
    }
    it(`${one.file}: ${one.name} over gRPC`, async () => {
      expectOutcome(await services().client.verify(grpc.request), grpc.outcome, one);
    });
    for (const binary of [false, true]) {
      it(`${one.file}: ${one.name} over HTTP by the contract itself, in ${binary ? "protobuf" : "JSON"}`, async () => {
        const { inProcess, overChannel } = services().deployment;
        // JSON is tried with the core in process, and protobuf behind a channel; the other two pairs would add
        // nothing.
        const transport = connectTransport(binary || channelOnly ? overChannel : inProcess, binary);
        expectOutcome(await callVerifyToken(transport, grpc.request), grpc.outcome, one);
      });
    }
  }
  if (one.compact !== undefined)
    it(`${one.file}: ${one.name} has the token that was written down`, () => expect(one.token).to.equal(one.compact));
}

/** Checks the cases in batches and in messages of a stream, where no item affects another. */
function checkTogether(cases: readonly Case[], services: () => Services): void {
  describe("cases asked together", () => {
    const asked = cases.filter(({ grpc }) => grpc !== undefined);
    for (const [index, batch] of batches(asked).entries()) {
      it(`batch ${index + 1} answers each item as if it were alone`, async () => {
        const items = await services().client.batch(batch.map(({ grpc }) => grpc!.request));
        if (!Array.isArray(items)) throw new Error(JSON.stringify(items));
        expectItems(items as Answer[], batch);
      });
      it(`message ${index + 1} of a stream answers each item as if it were alone`, async () => {
        const messages = [{ id: "one", requests: batch.map(({ grpc }) => grpc!.request) }, { id: "two" }];
        const answers = await services().client.stream(messages);
        if (!Array.isArray(answers)) throw new Error(JSON.stringify(answers));
        const byId = new Map((answers as Message[]).map((answer) => [answer["id"], answer]));
        expect([...byId.keys()]).to.have.members(["one", "two"]);
        expectItems(readItems(byId.get("one")!), batch);
      });
    }
  });
}

const groups = <T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> => {
  const found = new Map<string, T[]>();
  for (const item of items) {
    const group = found.get(key(item));
    if (group === undefined) found.set(key(item), [item]);
    else group.push(item);
  }
  return found;
};

describe("cases", () => {
  for (const [configuration, cases] of groups(CASES, (one) => one.configuration)) {
    const healthy = cases.filter(({ condition }) => condition === undefined);
    describe(configuration, () => {
      let services: Services;
      before(async () => {
        services = await open(deploy(configuration, { commands: revocations() }));
      });
      after(() => close(services));

      for (const [file, ofFile] of groups(healthy, (one) => one.file)) {
        describe(file, () => {
          for (const one of ofFile) describe(one.name, () => check(one, () => services));
        });
      }

      checkTogether(healthy, () => services);

      it(`the log of ${configuration} contains no token and no secret`, async () => {
        const { deployment, client } = services;
        for (const { rest, grpc } of healthy) {
          if (rest !== undefined && (rest.request.body?.length ?? 0) < 100_000)
            await exchange(deployment.inProcess, rest.request);
          if (grpc !== undefined) await client.verify(grpc.request);
        }
        const log = deployment.log();
        expect(log).to.include('"msg":"call"');
        for (const { token } of healthy) if (token.length > 20) expect(log).not.to.include(token);
        for (const { secret } of KEYS.values()) if (secret !== undefined) expect(log).not.to.include(secret);
      });
    });

    for (const [condition, ofCondition] of groups(
      cases.filter((one) => one.condition !== undefined),
      (one) => one.condition ?? "",
    )) {
      describe(`${configuration}, ${condition}`, () => {
        let services: Services;
        before(async () => {
          services = await open(deployIn(condition, configuration));
        });
        after(() => close(services));
        for (const one of ofCondition) describe(`${one.file}: ${one.name}`, () => check(one, () => services));
        checkTogether(ofCondition, () => services);
      });
    }
  }
});

function expectItems(items: readonly Answer[], batch: readonly Case[]): void {
  expect(items).to.have.length(batch.length);
  for (const [at, one] of batch.entries()) {
    try {
      expectOutcome(items[at]!, one.grpc!.outcome, one);
    } catch (error) {
      throw new Error(`${one.file}: ${one.name}: ${String(error)}`, { cause: error });
    }
  }
}

/** Splits cases into batches that the service admits, with at most eight callers each. */
function batches(cases: readonly Case[]): Case[][] {
  const made: Case[][] = [];
  let callers = new Set<string>();
  for (const one of cases) {
    const { instance_secret_key: key, client_credentials: client } = one.grpc!.request;
    const caller = JSON.stringify([key, client]);
    if (made.length === 0 || (!callers.has(caller) && callers.size === 8)) {
      made.push([]);
      callers = new Set();
    }
    if (key !== undefined || client !== undefined) callers.add(caller);
    made.at(-1)!.push(one);
  }
  return made;
}

describe("coverage of the contract by cases", () => {
  const covered = new Set(CASES.flatMap(({ covers }) => covers));

  it("every row of the contract has a case", () => {
    expect([...ROWS.keys()].filter((row) => !covered.has(row))).to.deep.equal([]);
  });

  it("every row that a case covers is in the contract", () => {
    expect([...covered].filter((row) => !ROWS.has(row))).to.deep.equal([]);
  });

  const names = (numbers: object, prefix: string): string[] =>
    Object.keys(numbers).filter((name) => name.startsWith(prefix) && !name.endsWith("_UNSPECIFIED"));

  it("every Reason has a case", () => {
    const reasons = CASES.flatMap(({ grpc }) =>
      grpc && "rejected" in grpc.outcome ? `REASON_${grpc.outcome.rejected}` : [],
    );
    expect(names(Reason, "REASON_").filter((name) => !reasons.includes(name))).to.deep.equal([]);
  });

  it("every ErrorReason has a case", () => {
    const errors = CASES.flatMap(({ grpc }) => (grpc && "error" in grpc.outcome ? grpc.outcome.error : []));
    const known = new Set([...errors, ...ELSEWHERE]);
    const missing = names(ErrorReason, "ERROR_REASON_").filter((name) => !known.has(name.replace("ERROR_REASON_", "")));
    expect(missing).to.deep.equal([]);
  });
});

/**
 * Failures of batches, streams and servers, which test/e2e/calls.test.ts causes; those that only a gateway meets;
 * those that need certificates, in test/e2e/tls.test.ts; and those of watches, in test/grpc/watch.test.ts.
 */
const ELSEWHERE = [
  "CALLER_DENIED",
  "BATCH_TOO_LARGE",
  "TOO_MANY_CALLERS",
  "ID_TOO_LONG",
  "TOO_MANY_STREAMS",
  "SHUTTING_DOWN",
  "VERIFIER_UNAVAILABLE",
  "WATCH_DENIED",
  "TOO_MANY_WATCHES",
  "WATCH_NOT_OPENED",
];
