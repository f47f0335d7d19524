import { expect } from "chai";
import { type Case, readCases } from "../support/cases.js";
import { type Deployment, deploy } from "../support/deployment.js";
import { expectAnswer } from "../support/expect.js";
import { type HttpRequest, readAnswers, requestBytes, sendBytes } from "../support/http.js";
import { revocations } from "../support/revocations.js";

// Answers are the same over HTTP/1.1 keep-alive, pipelined and `Connection: close`, and with `Expect: 100-continue`.
// The cases themselves close each connection; here they follow one another on a single one.

type RestCase = Case & { readonly rest: NonNullable<Case["rest"]> };

/** Cases whose request is read whole; the rest of an unread body would end the connection or be dropped. */
const CASES = readCases().filter(
  (one): one is RestCase =>
    one.rest !== undefined &&
    one.condition === undefined &&
    one.configuration === "verifier.yaml" &&
    (one.rest.request.body?.length ?? 0) < 50_000,
);

/** The bytes of requests on one connection; the last request closes it. */
function together(requests: readonly HttpRequest[]): Buffer {
  return Buffer.concat(
    requests.map((request, index) => requestBytes(request, index === requests.length - 1 ? "close" : "")),
  );
}

/**
 * Whether the face asks for the body before it answers; a caller with a refused credential, for instance, is not
 * asked.
 */
function wantsBody({ file, rest: { answer } }: RestCase): boolean | undefined {
  if (file === "integuru" || [404, 405, 415].includes(answer.status)) return answer.body.includes("User not found");
  if (answer.status === 401 && file === "clowk") return answer.body.includes("valid");
  return answer.status === 200 ? true : undefined;
}

describe("cases on shared connections", () => {
  let deployment: Deployment;
  before(async () => {
    deployment = await deploy("verifier.yaml", { commands: revocations() });
  });
  after(() => deployment.close());

  async function expectAll(cases: readonly RestCase[], change: (request: HttpRequest) => HttpRequest): Promise<void> {
    const requests = cases.map(({ rest }) => change(rest.request));
    const bytes = await sendBytes(deployment.inProcess, together(requests));
    const answers = readAnswers(
      bytes,
      requests.map(({ method }) => method),
    );
    for (const [index, one] of cases.entries()) {
      try {
        expectAnswer(answers[index]!, one.rest.answer);
      } catch (error) {
        throw new Error(`${one.file}: ${one.name}: ${String(error)}`, { cause: error });
      }
    }
  }

  const size = 25;
  for (let start = 0; start < CASES.length; start += size) {
    const cases = CASES.slice(start, start + size);
    it(`cases ${start + 1} to ${start + cases.length} are answered the same when pipelined`, () =>
      expectAll(cases, (request) => request));
    it(`cases ${start + 1} to ${start + cases.length} are answered the same when pipelined in chunks`, () =>
      expectAll(cases, (request) => ({ ...request, chunked: request.body !== undefined })));
  }

  it("a face sends 100 Continue if it wants the body, and the answer stays the same", async () => {
    for (const one of CASES.filter(({ rest }) => rest.request.body !== undefined)) {
      const request = {
        ...one.rest.request,
        headers: [...one.rest.request.headers, ["Expect", "100-continue"] as const],
      };
      const [answer] = readAnswers(await sendBytes(deployment.inProcess, requestBytes(request)), [request.method]);
      try {
        expectAnswer(answer!, one.rest.answer);
        const wanted = wantsBody(one);
        if (wanted !== undefined) expect(answer!.continued).to.equal(wanted);
      } catch (error) {
        throw new Error(`${one.file}: ${one.name}: ${String(error)}`, { cause: error });
      }
    }
  });

  it("a pipelined pair is answered in order, whichever is decided first", async () => {
    const slow = CASES.find(({ file, name }) => file === "clowk" && name === "a good token")!;
    const fast = CASES.find(({ file, name }) => file === "integuru" && name === "no Authorization")!;
    await expectAll([slow, fast, slow, fast], (request) => request);
  });
});
