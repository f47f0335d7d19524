import { setImmediate } from "node:timers/promises";
import { expect } from "chai";
import { failure, type Outcome, type Token } from "../../src/contract/verifier.js";
import { exchange, type HttpAnswer, type HttpRequest, requestBytes, valuesOf } from "../support/http.js";
import { INTEGURU, type Opened, open, verdict, Wire } from "./harness.js";

// VerifyToken over HTTP/1.1 as bytes: the requests it reads, those it refuses, and its error messages.

const PATH = "/tokenverifier.v1.TokenVerifier/VerifyToken";
const JSON_TYPE = ["Content-Type", "application/json"] as const;
const GOOD = '{"realm":"shown","token":"good"}';
const NOT_FOUND = {
  code: "not_found",
  message: "There is no realm of this name. Ask for one that is configured; names are case-sensitive.",
  details: [
    {
      type: "google.rpc.ErrorInfo",
      value: "Cg1SRUFMTV9VTktOT1dOEhB0b2tlbnZlcmlmaWVyLnYx",
      debug: { reason: "REALM_UNKNOWN", domain: "tokenverifier.v1" },
    },
  ],
};

const TOKEN: Token = {
  subject: "jane",
  issuer: "",
  audience: [],
  expiresAt: undefined,
  notBefore: undefined,
  issuedAt: undefined,
  id: "",
  keyId: "",
  algorithm: "HS256",
  payload: "{}",
  confirmation: undefined,
};
const SHOWN = { realms: ["shown"], cors: undefined };

/** A good request to VerifyToken, except for the given parts. */
function request({ headers = [JSON_TYPE], body = GOOD, method = "POST" }: Partial<Asked> = {}): HttpRequest {
  return { method, target: PATH, headers, body: Buffer.isBuffer(body) ? body : Buffer.from(body) };
}

interface Asked {
  readonly method: string;
  readonly headers: HttpRequest["headers"];
  readonly body: string | Buffer;
}

const bodyOf = (answer: HttpAnswer): unknown => JSON.parse(answer.body);

describe("gateway: VerifyToken over HTTP", () => {
  let server: Opened;
  before(async () => {
    server = await open(verdict, {}, {}, SHOWN);
  });
  const ask = (asked: Partial<Asked> = {}): Promise<HttpAnswer> => exchange(server.port, request(asked));

  it("a good token is answered in proto3's JSON", async () => {
    const answer = await ask();
    expect(answer.status).to.equal(200);
    expect(bodyOf(answer)).to.deep.equal({
      verified: {
        token: { subject: "jane", algorithm: "HS256", payload: '{"taiki_user_id":"jane","client_app_id":"app"}' },
        principal: { user: { id: "jane", instanceId: "inst" } },
        evidence: { evaluatedAt: "1970-01-01T00:00:00Z" },
      },
    });
  });

  it("an answer has the headers of every gateway answer, and none of CORS", async () => {
    for (const answer of [
      await ask({ headers: [JSON_TYPE, ["X-Request-Id", "mine"], ["Origin", "https://app.example"]] }),
      await ask({ headers: [JSON_TYPE, ["X-Request-Id", "mine"], ["Origin", "https://app.example"]], body: "x" }),
    ]) {
      const names = answer.headers
        .map(([name]) => name.toLowerCase())
        .filter((name) => !/^(date|connection)$/.test(name));
      expect(names).to.have.members([
        "content-type",
        "content-length",
        "cache-control",
        "x-content-type-options",
        "x-request-id",
      ]);
      expect(valuesOf(answer, "X-Request-Id")).to.deep.equal(["mine"]);
      expect(valuesOf(answer, "Cache-Control")).to.deep.equal(["no-store"]);
      expect(valuesOf(answer, "X-Content-Type-Options")).to.deep.equal(["nosniff"]);
    }
  });

  it("a bad token is answered with 200 and its reason", async () => {
    const answer = await ask({ body: '{"realm":"shown","token":"bad"}' });
    expect(answer.status).to.equal(200);
    expect(bodyOf(answer)).to.have.nested.property("rejected.reason", "REASON_TOKEN_MALFORMED");
  });

  it("times, durations, optional strings and checks are written as the JSON mapping says", async () => {
    const full: Outcome = {
      kind: "verified",
      token: {
        ...TOKEN,
        audience: ["a"],
        expiresAt: { seconds: 1_800_000_000, nanos: 250_000_000 },
        issuedAt: { seconds: 0, nanos: 0 },
      },
      principal: {
        user: {
          id: "jane",
          email: "",
          name: "Jané",
          avatarUrl: undefined,
          provider: undefined,
          instanceId: "",
          issuer: "",
        },
        client: undefined,
      },
      evidence: {
        keySetAge: 1500,
        keySetStale: false,
        position: { number: 7, mark: "AQEBAQEBAQEBAQEBAQEBAQ" },
        cacheableUntil: undefined,
        trustedKey: "AgICAgICAgICAgICAgICAg",
        realmVersion: "AwMDAwMDAwM",
        evaluatedAt: 1_800_000_000_250,
        feedAge: 40,
      },
      checks: [{ name: "expiry", result: "passed", reason: undefined, claim: "exp", message: "m" }],
    };
    const { port } = await open(() => full, {}, {}, SHOWN);
    expect(bodyOf(await exchange(port, request()))).to.deep.equal({
      verified: {
        token: {
          subject: "jane",
          audience: ["a"],
          expiresAt: "2027-01-15T08:00:00.250Z",
          issuedAt: "1970-01-01T00:00:00Z",
          algorithm: "HS256",
          payload: "{}",
        },
        principal: { user: { id: "jane", email: "", name: "Jané" } },
        evidence: {
          keySetAge: "1.500s",
          position: { number: "7", mark: "AQEBAQEBAQEBAQEBAQEBAQ==" },
          trustedKey: "AgICAgICAgICAgICAgICAg==",
          realmVersion: "AwMDAwMDAwM=",
          evaluatedAt: "2027-01-15T08:00:00.250Z",
          feedAge: "0.040s",
        },
      },
      checks: [{ name: "expiry", result: "CHECK_RESULT_PASSED", claim: "exp", message: "m" }],
    });
  });

  const ASKED: Readonly<Record<string, readonly [body: string, asked: object]>> = {
    "the names of the mapping": [
      '{"realm":"shown","token":"t","clientCredentials":{"clientId":"i","clientSecret":"s"},"explain":true}',
      { credential: "client i s", explain: true },
    ],
    "the names of the proto file": [
      '{"realm":"shown","token":"t","client_credentials":{"client_id":"i","client_secret":"s"},"explain":false}',
      { credential: "client i s", explain: false },
    ],
    "an instance's secret key": ['{"realm":"shown","token":"t","instanceSecretKey":"k"}', { credential: "instance k" }],
    "an instance's empty secret key": [
      '{"realm":"shown","token":"t","instance_secret_key":""}',
      { credential: "instance " },
    ],
    "client credentials without a secret": [
      '{"realm":"shown","token":"t","clientCredentials":{"clientId":"i"}}',
      { credential: "client i " },
    ],
    "empty client credentials": ['{"realm":"shown","token":"t","clientCredentials":{}}', { credential: "client  " }],
    "null for absent": [
      '{"realm":"shown","token":"t","explain":null,"instanceSecretKey":null,"clientCredentials":{"clientId":null}}',
      { credential: "client  " },
    ],
    "escapes and white space": [' {"real\\u006d" : "sh\\u006fwn",\r\n\t"token":"t"} ', {}],
    "members in another order": ['{"token":"t","realm":"shown"}', {}],
  };
  for (const [what, [body, asked]] of Object.entries(ASKED)) {
    it(`VerifyToken reads ${what}`, async () => {
      server.asked.length = 0;
      expect((await ask({ body })).status).to.be.oneOf([200, 401]);
      const [{ realm, token, credential, explain } = expect.fail("was not asked")] = server.asked;
      const said =
        credential?.kind === "client"
          ? `client ${credential.clientId} ${credential.clientSecret.reveal()}`
          : credential && `instance ${credential.secretKey.reveal()}`;
      expect({ realm, token: token.reveal(), credential: said, explain }).to.deep.equal({
        realm: "shown",
        token: "t",
        credential: undefined,
        explain: false,
        ...asked,
      });
    });
  }

  const deep = (levels: number): string => `{"token":${"[".repeat(levels)}${"]".repeat(levels)}}`;
  const BAD: Readonly<Record<string, readonly [body: string | Buffer, message: string | RegExp]>> = {
    nothing: ["", "The body is empty: send a JSON object."],
    "an array": [`[${GOOD}]`, "The body is not a JSON object."],
    null: ["null", "The body is not a JSON object."],
    "a string": ['"good"', "The body is not a JSON object."],
    "a number": ["1", "The body is not a JSON object."],
    "half of an object": [GOOD.slice(0, -1), "The body is not JSON."],
    "an object with text after it": [`${GOOD}x`, "The body is not JSON."],
    "two objects": [GOOD + GOOD, "The body is not JSON."],
    "a comment": [`/**/${GOOD}`, "The body is not JSON."],
    "a comma at the end": [GOOD.replace("}", ",}"), "The body is not JSON."],
    "a form": ["realm=shown&token=good", "The body is not JSON."],
    NaN: ['{"realm":NaN}', "The body is not JSON."],
    "a byte order mark": [Buffer.from(`\ufeff${GOOD}`), "The body begins with a byte order mark: leave it out."],
    "UTF-16": [Buffer.from(GOOD, "utf16le"), "The body is not JSON."],
    "bytes that are not UTF-8": [Buffer.from(GOOD.replace("good", "g\u00ff"), "latin1"), "The body is not UTF-8."],
    "an overlong character": [Buffer.from('{"realm":"\xc0\xaf"}', "latin1"), "The body is not UTF-8."],
    "a surrogate in UTF-8": [Buffer.from('{"realm":"\xed\xa0\x80"}', "latin1"), "The body is not UTF-8."],
    "half of an escaped pair": ['{"realm":"\\ud800"}', /half of a surrogate pair/],
    "half of a pair in a name": ['{"\\udc00":""}', /half of a surrogate pair/],
    "a number that is too large": ['{"realm":1e400}', /a number that is too large/],
    "128 levels": [deep(127), 'The member "token" must be a string.'],
    "129 levels": [deep(128), /more than 128 levels/],
    "as many levels as fit into a body": [deep(32_000), /more than 128 levels/],
    "many levels that are not closed": ["[".repeat(65_000), "The body is not JSON."],
    "2001 members": [`{${Array.from({ length: 2001 }, (_, i) => `"${i}":1`).join()}}`, /more than 2000 members/],
    "a member twice": ['{"realm":"shown","token":"a","token":"b"}', 'The member "token" appears twice in one object.'],
    "a member twice, once escaped": [
      '{"realm":"shown","token":"a","t\\u006fken":"b"}',
      'The member "token" appears twice in one object.',
    ],
    "a nested member twice": [
      '{"clientCredentials":{"clientId":"a","clientSecret":"{\\"clientId\\":1}","clientId":"b"}}',
      'The member "clientId" appears twice in one object.',
    ],
    "a member by both its names": [
      '{"clientCredentials":{"clientId":"a","client_id":"b"}}',
      'The members "clientId" and "client_id" of "clientCredentials" exclude each other.',
    ],
    "a member by both its names, one null": [
      '{"clientCredentials":{"clientId":"a","client_id":null}}',
      'The members "clientId" and "client_id" of "clientCredentials" exclude each other.',
    ],
    "two callers": [
      '{"realm":"shown","instanceSecretKey":"secret-1","client_credentials":{}}',
      'The members "instanceSecretKey" and "client_credentials" exclude each other.',
    ],
    "an unknown member": ['{"realm":"shown","tokens":"secret-2"}', 'There is no member "tokens".'],
    "a name in another case": ['{"Realm":"shown"}', 'There is no member "Realm".'],
    "an extension": ['{"[tokenverifier.v1.x]":1}', 'There is no member "[tokenverifier.v1.x]".'],
    "the name of a oneof": ['{"caller":{}}', 'There is no member "caller".'],
    "an unknown nested member": [
      '{"client_credentials":{"secret":"secret-3"}}',
      'There is no member "secret" of "client_credentials".',
    ],
    "the name of a prototype": ['{"__proto__":{"token":"good"},"realm":"shown"}', 'There is no member "__proto__".'],
    "the name of a constructor": ['{"constructor":"x"}', 'There is no member "constructor".'],
    "a long name": [`{"${"n".repeat(1000)}":1}`, `There is no member "${"n".repeat(64)}…".`],
    "a name with a quote and a line end": ['{"a\\"\\n":1}', 'There is no member "a\\"\\n".'],
    "a token of the wrong type": ['{"realm":"shown","token":12345}', 'The member "token" must be a string.'],
    "an object for a token": ['{"realm":"shown","token":{"a":"secret-4"}}', 'The member "token" must be a string.'],
    "a list for a realm": ['{"realm":["shown"]}', 'The member "realm" must be a string.'],
    "a string for a boolean": ['{"explain":"true"}', 'The member "explain" must be true or false.'],
    "a number for a boolean": ['{"explain":1}', 'The member "explain" must be true or false.'],
    "a string for credentials": [
      '{"clientCredentials":"secret-5"}',
      'The member "clientCredentials" must be an object.',
    ],
    "a list for credentials": ['{"clientCredentials":[]}', 'The member "clientCredentials" must be an object.'],
    "a number for a nested string": [
      '{"clientCredentials":{"clientSecret":12345}}',
      'The member "clientSecret" of "clientCredentials" must be a string.',
    ],
  };
  for (const [what, [body, message]] of Object.entries(BAD)) {
    it(`VerifyToken refuses ${what}`, async () => {
      server.asked.length = 0;
      const answer = await ask({ body });
      expect(answer.status, answer.body).to.equal(400);
      const said = bodyOf(answer) as { code: string; message: string };
      expect(Object.keys(said)).to.deep.equal(["code", "message"]);
      expect(said.code).to.equal("invalid_argument");
      if (typeof message === "string") expect(said.message).to.equal(message);
      else expect(said.message).to.match(message);
      expect(answer.body).not.to.match(/secret-\d|12345/);
      expect(server.asked).to.deep.equal([]);
      expect((await ask()).status).to.equal(200);
    });
  }

  const over = `${GOOD.slice(0, -1)}${" ".repeat(64 * 1024 - GOOD.length)}}`;
  it("VerifyToken reads a body of exactly limits.body", async () => {
    expect(over).to.have.length(64 * 1024);
    expect((await ask({ body: over })).status).to.equal(200);
  });
  for (const chunked of [false, true]) {
    it(`VerifyToken refuses one byte more, ${chunked ? "in chunks" : "announced"}`, async () => {
      const answer = await exchange(server.port, { ...request({ body: `${over} ` }), chunked });
      expect(answer.status).to.equal(429);
      expect(bodyOf(answer)).to.deep.equal({
        code: "resource_exhausted",
        message: "The body is longer than the 65536 bytes that this server admits.",
      });
      expect(valuesOf(answer, "Retry-After")).to.deep.equal([]);
    });
  }

  const HEADS: Readonly<Record<string, readonly [asked: Partial<Asked>, status: number, body?: object]>> = {
    "a charset": [{ headers: [["Content-Type", "application/json; charset=utf-8"]] }, 200],
    "a charset spelt differently": [{ headers: [["Content-Type", 'Application/JSON;Charset="UTF-8"']] }, 200],
    "protocol version 1": [{ headers: [JSON_TYPE, ["Connect-Protocol-Version", "1"]] }, 200],
    "another protocol version": [
      { headers: [JSON_TYPE, ["Connect-Protocol-Version", "2"]] },
      400,
      { code: "invalid_argument", message: 'Connect-Protocol-Version must be "1".' },
    ],
    "two protocol versions": [
      {
        headers: [JSON_TYPE, ["Connect-Protocol-Version", "1"], ["Connect-Protocol-Version", "1"]],
      },
      400,
    ],
    "an empty protocol version": [{ headers: [JSON_TYPE, ["Connect-Protocol-Version", ""]] }, 400],
    "the encoding identity": [{ headers: [JSON_TYPE, ["Content-Encoding", "identity"]] }, 200],
    "the encoding gzip": [
      { headers: [JSON_TYPE, ["Content-Encoding", "gzip"]] },
      501,
      { code: "unimplemented", message: 'Content-Encoding must be absent or "identity".' },
    ],
    "two encodings": [{ headers: [JSON_TYPE, ["Content-Encoding", "identity, gzip"]] }, 501],
    "an Accept-Encoding header": [{ headers: [JSON_TYPE, ["Accept-Encoding", "gzip, br"]] }, 200],
    "a timeout": [{ headers: [JSON_TYPE, ["Connect-Timeout-Ms", "5000"]] }, 200],
    "a timeout of ten digits": [{ headers: [JSON_TYPE, ["Connect-Timeout-Ms", "9999999999"]] }, 200],
    "a timeout of eleven digits": [
      { headers: [JSON_TYPE, ["Connect-Timeout-Ms", "10000000000"]] },
      400,
      { code: "invalid_argument", message: "Connect-Timeout-Ms must have 1 to 10 digits." },
    ],
    "a timeout with a unit": [{ headers: [JSON_TYPE, ["Connect-Timeout-Ms", "5s"]] }, 400],
    "a negative timeout": [{ headers: [JSON_TYPE, ["Connect-Timeout-Ms", "-1"]] }, 400],
  };
  for (const [what, [asked, status, body]] of Object.entries(HEADS)) {
    it(`a request with ${what} is answered with ${status}`, async () => {
      const answer = await ask(asked);
      expect(answer.status, answer.body).to.equal(status);
      if (body !== undefined) expect(bodyOf(answer)).to.deep.equal(body);
    });
  }

  const TYPES: readonly (readonly string[])[] = [
    [],
    [""],
    ["text/plain"],
    ["application/json; charset=latin1"],
    ["application/json; charset=utf-8; x=y"],
    ["application/json, application/json"],
    ["application/json", "application/proto"],
    ["application/jsonp"],
    ["application/connect+json"],
    ["application/grpc-web+proto"],
    ["application/x-www-form-urlencoded"],
  ];
  for (const types of TYPES) {
    it(`a body of type ${JSON.stringify(types)} is 415`, async () => {
      const answer = await ask({ headers: types.map((type) => ["Content-Type", type] as const) });
      expect(answer.status).to.equal(415);
      expect(valuesOf(answer, "Accept-Post")).to.deep.equal(["application/json, application/proto"]);
      expect(bodyOf(answer)).to.have.property("code", "unknown");
    });
  }

  for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    it(`${method} is 405`, async () => {
      const answer = await ask({ method });
      expect(answer.status).to.equal(405);
      expect(valuesOf(answer, "Allow")).to.deep.equal(["POST"]);
    });
  }

  it("a realm that is configured but not shown looks like an unknown one, and the verifier is not asked", async () => {
    server.asked.length = 0;
    for (const realm of ["integuru", "nowhere", "", "Shown", "shown "]) {
      for (const more of ['"token":"good"', '"token":"","explain":true', '"token":"t","instanceSecretKey":"sk_good"']) {
        const answer = await ask({ body: `{"realm":${JSON.stringify(realm)},${more}}` });
        expect(answer.status).to.equal(404);
        expect(bodyOf(answer)).to.deep.equal(NOT_FOUND);
      }
    }
    expect(server.asked).to.deep.equal([]);
  });

  it("a failure is answered with its details and Retry-After", async () => {
    const limited = await open(() => failure("RATE_LIMITED", 1500), {}, {}, SHOWN);
    const answer = await exchange(limited.port, request());
    expect(answer.status).to.equal(429);
    expect(valuesOf(answer, "Retry-After")).to.deep.equal(["2"]);
    expect(bodyOf(answer)).to.deep.equal({
      code: "resource_exhausted",
      message: "Too many wrong credentials. Wait before you retry.",
      details: [
        {
          type: "google.rpc.ErrorInfo",
          value: "CgxSQVRFX0xJTUlURUQSEHRva2VudmVyaWZpZXIudjE",
          debug: { reason: "RATE_LIMITED", domain: "tokenverifier.v1" },
        },
        { type: "google.rpc.RetryInfo", value: "CggIARCAyrXuAQ", debug: { retryDelay: "1.500s" } },
      ],
    });
  });

  it("a call ends at Connect-Timeout-Ms, or at limits.request if that is sooner", async () => {
    const deadlines: number[] = [];
    const silent = await open(
      (_, { deadline }) => {
        deadlines.push(deadline);
        return new Promise(() => {});
      },
      { request: 200 },
      {},
      SHOWN,
    );
    for (const millis of ["0", "50", "99999"]) {
      const answer = await exchange(silent.port, request({ headers: [JSON_TYPE, ["Connect-Timeout-Ms", millis]] }));
      expect(answer.status).to.equal(504);
      expect(bodyOf(answer)).to.have.property("code", "deadline_exceeded");
    }
    const [first = 0] = deadlines;
    expect(deadlines.map((deadline) => deadline - first)).to.deep.equal([0, 50, 200]);
  });

  it("a fault is answered as an internal error and reported to the observer", async () => {
    for (const verify of [
      () => {
        throw new Error("a fault of the test's own");
      },
      () => Promise.reject(new Error("a fault of the test's own")),
      // This verdict cannot be written, because no timestamp may be that late.
      (): Outcome => ({
        kind: "verified",
        token: { ...TOKEN, expiresAt: { seconds: 2 ** 62, nanos: 0 } },
        principal: undefined,
        evidence: {
          keySetAge: undefined,
          keySetStale: false,
          position: undefined,
          cacheableUntil: undefined,
          trustedKey: "",
          realmVersion: "",
          evaluatedAt: 0,
          feedAge: undefined,
        },
        checks: [],
      }),
    ]) {
      const faulty = await open(verify, {}, {}, SHOWN);
      const answer = await exchange(faulty.port, request());
      expect(answer.status).to.equal(500);
      expect(bodyOf(answer)).to.have.property("code", "internal");
      expect(faulty.faults).to.have.length(1);
      expect(faulty.calls.map(({ outcome }) => outcome)).to.deep.equal([failure("INTERNAL")]);
    }
  });

  it("each call over HTTP is reported to the observer", async () => {
    const { port, calls } = await open(verdict, {}, {}, SHOWN);
    await exchange(port, request());
    await exchange(port, request({ body: "x" }));
    await exchange(port, request({ body: '{"realm":"else","token":"t"}' }));
    expect(calls[0]?.outcome).to.include({ kind: "verified" });
    expect(calls.map(({ via, realm, status, outcome }) => [via, realm, status, outcome])).to.deep.equal([
      ["http/VerifyToken", "shown", 200, calls[0]?.outcome],
      ["http/VerifyToken", "", 400, undefined],
      ["http/VerifyToken", "else", 404, failure("REALM_UNKNOWN")],
    ]);
  });

  it("the batch and stream methods are 501 over HTTP", async () => {
    for (const name of ["BatchVerifyTokens", "StreamVerifyTokens"]) {
      const target = `/tokenverifier.v1.TokenVerifier/${name}`;
      const answer = await exchange(server.port, { ...request(), target });
      expect(answer.status).to.equal(501);
      expect(bodyOf(answer)).to.have.property("code", "unimplemented");
      expect((await exchange(server.port, { ...request({ method: "GET" }), target })).status).to.equal(405);
    }
    const unknown = await exchange(server.port, { ...request(), target: "/tokenverifier.v1.TokenVerifier/Other" });
    expect(unknown).to.include({ status: 404, body: '{"error":"Not found"}' });
  });

  it("VerifyToken asks a waiting client for its body, but not if the request is refused", async () => {
    const expecting = (headers: HttpRequest["headers"]): HttpRequest =>
      request({ headers: [...headers, ["Expect", "100-continue"]] });
    expect(await exchange(server.port, expecting([JSON_TYPE]))).to.include({ status: 200, continued: true });
    const refused = await exchange(server.port, expecting([["Content-Type", "text/plain"]]));
    expect(refused).to.include({ status: 415, continued: false });
  });

  it("a client that leaves before its body is whole is not reported to the observer", async () => {
    const { gateway, port, calls, faults } = await open(verdict, {}, {}, SHOWN);
    const bytes = requestBytes(request());
    const wire = new Wire(port).send(bytes.subarray(0, bytes.length - 5));
    while (gateway.connections() === 0) await setImmediate();
    wire.reset();
    while (gateway.connections() > 0) await setImmediate();
    expect([calls, faults]).to.deep.equal([[], []]);
  });
});

describe("gateway without http.rpc", () => {
  it("a gateway without http.rpc serves nothing of the contract", async () => {
    for (const rpc of [undefined, { realms: [], cors: undefined }]) {
      const { port, gateway } = await open(verdict, {}, {}, rpc);
      for (const method of ["POST", "GET", "OPTIONS"]) {
        const answer = await exchange(port, request({ method }));
        expect(answer).to.include({ status: 404, body: '{"error":"Not found"}' });
      }
      gateway.show([], SHOWN);
      expect((await exchange(port, request())).status).to.equal(200);
      expect((await exchange(port, { ...request(), target: INTEGURU })).status).to.equal(404);
      gateway.show([]);
      expect((await exchange(port, request())).status).to.equal(404);
    }
  });
});
