import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { expect } from "chai";
import express from "express";
import fc from "fast-check";
import type { Call } from "../../src/contract/call.js";
import type { HttpService } from "../../src/http/exchange.js";
import { directly, type Router, throughExpress } from "../../src/http/router.js";

// Which handler a request's target reaches: the direct look-up of exact paths must agree with Express for every target.

const PATHS = ["/api/verify-token", "/v1/a.b_c", "/tokenverifier.v1.TokenVerifier/VerifyToken"];

/** Sends requests to routes that note their path; `unknown` is the router's own 404. */
function noting(router: Router): (target: string, method?: string) => string {
  let reached = "";
  const service: HttpService = {
    verifier: { verify: () => expect.fail("no face is asked") },
    clock: () => 0,
    addressOf: () => "",
    limits: { body: 0, request: 0 },
    observer: {
      ended: ({ call, status }: { readonly call: Call; readonly status?: number }) => {
        reached = `${call.via} ${status}`;
      },
      fault: (_, error) => expect.fail(String(error)),
    },
  };
  const note = (path: string) => () => {
    reached = path;
  };
  const serve = router(new Map(PATHS.map((path) => [path, note(path)])), service);
  return (target, method = "POST") => {
    reached = "nothing";
    const req = new IncomingMessage(new Socket());
    Object.assign(req, { url: target, method });
    serve(req, new ServerResponse(req));
    return reached;
  };
}

const ROUTERS = { directly: noting(directly), "through Express": noting(throughExpress) };

const NOT_FOUND = "unknown 404";
const [PATH = ""] = PATHS;

/** The handler that each target reaches. */
const TARGETS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(PATHS.map((path) => [path, path])),
  [`${PATH}?`]: PATH,
  [`${PATH}?a=b&c[d]=e`]: PATH,
  [`${PATH}??/x?`]: PATH,
  [`${PATH}?%`]: PATH,
  [`${PATH}?%23`]: PATH,
  [`${PATH}?a b`]: PATH,
  [`${PATH}?a\tb`]: PATH,
  [`${PATH}?\u00a0`]: PATH,
  [`${PATH}?\u00e9\u00ff`]: PATH,
  [`${PATH}?\u007f`]: PATH,
  [`${PATH}?a#b`]: NOT_FOUND,
  [`${PATH}#`]: NOT_FOUND,
  [`${PATH}#?`]: NOT_FOUND,
  [`#${PATH}`]: NOT_FOUND,
  [`http://127.0.0.1${PATH}`]: PATH,
  [`http://127.0.0.1${PATH}?a=b`]: PATH,
  [`HTTPS://user:word@elsewhere.example:81${PATH}`]: PATH,
  [`http:${PATH}`]: PATH,
  [`http://127.0.0.1${PATH}/`]: NOT_FOUND,
  [`http://127.0.0.1${PATH}#a`]: NOT_FOUND,
  [`//127.0.0.1${PATH}`]: NOT_FOUND,
  [`/${PATH}`]: NOT_FOUND,
  [`${PATH}/`]: NOT_FOUND,
  [`${PATH}/?a=b`]: NOT_FOUND,
  [`${PATH}//`]: NOT_FOUND,
  [`${PATH}.`]: NOT_FOUND,
  [`${PATH};a=b`]: NOT_FOUND,
  [`${PATH}%00`]: NOT_FOUND,
  [`${PATH}%`]: NOT_FOUND,
  [`${PATH}&a=b`]: NOT_FOUND,
  [PATH.toUpperCase()]: NOT_FOUND,
  [PATH.replace("v", "V")]: NOT_FOUND,
  [PATH.replace("v", "%76")]: NOT_FOUND,
  [PATH.replace("/v", "%2Fv")]: NOT_FOUND,
  [PATH.replace("/v", "%2fv")]: NOT_FOUND,
  [PATH.replace("/v", "\\v")]: NOT_FOUND,
  [PATH.replace("/v", "/./v")]: NOT_FOUND,
  [PATH.replace("/v", "/x/../v")]: NOT_FOUND,
  [PATH.slice(1)]: NOT_FOUND,
  [`?${PATH}`]: NOT_FOUND,
  [`/?${PATH}`]: NOT_FOUND,
  [`/v1/aXb_c`]: NOT_FOUND,
  [`/tokenverifier.v1.TokenVerifier`]: NOT_FOUND,
  "": NOT_FOUND,
  "/": NOT_FOUND,
  "*": NOT_FOUND,
  "127.0.0.1:443": NOT_FOUND,
  "a://?b": NOT_FOUND,
  "/__proto__": NOT_FOUND,
  "/constructor": NOT_FOUND,
};

const METHODS = ["POST", "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "M-SEARCH", "QUERY"];

/** Targets near the paths: pieces of them, and what has a meaning in a URL, in any order. */
const target = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...PATHS, ...PATHS.flatMap((path) => path.split(/(?<=\/)/))) },
      fc.constantFrom(
        "?",
        "#",
        "/",
        "//",
        "%",
        "%2F",
        "%61",
        ";",
        "\\",
        " ",
        "\t",
        "\u00a0",
        "http://a",
        ":",
        "@",
        ".",
      ),
      fc.string({ maxLength: 3, unit: "binary-ascii" }),
    ),
    { maxLength: 5 },
  )
  .map((pieces) => pieces.join(""));

describe("router", () => {
  for (const [how, reach] of Object.entries(ROUTERS)) {
    for (const [target, handler] of Object.entries(TARGETS)) {
      it(`${how}: the target ${JSON.stringify(target)} reaches ${handler}`, () => {
        expect(reach(target)).to.equal(handler);
      });
    }

    it(`${how}: every method reaches the handler of its path`, () => {
      for (const method of METHODS) {
        expect(reach(PATH, method), method).to.equal(PATH);
        expect(reach(`${PATH}/`, method), method).to.equal(NOT_FOUND);
      }
    });
  }

  it("the direct look-up agrees with Express for arbitrary targets", () => {
    fc.assert(
      fc.property(target, (target) => {
        expect(ROUTERS.directly(target)).to.equal(ROUTERS["through Express"](target));
      }),
      { numRuns: 2000 },
    );
  });

  it("a router's Express app answers as before when it is mounted in another app", () => {
    const mounted: Router = (routes, service) => {
      const app = express();
      app.use(throughExpress(routes, service));
      return app;
    };
    const reach = noting(mounted);
    // The outer app itself gives up on a target without a path.
    const withPath = Object.entries(TARGETS).filter(([target]) => /^(?:\/|http:)/i.test(target));
    for (const [target, handler] of withPath) expect(reach(target), target).to.equal(handler);
  });
});
