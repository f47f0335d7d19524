import http from "node:http";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import {
  BatchVerifyTokensRequest,
  BatchVerifyTokensResponse,
  Reason,
  StreamVerifyTokensRequest,
  StreamVerifyTokensResponse,
  VerifyTokenRequest,
  VerifyTokenResponse,
} from "../../gen/tokenverifier/v1/token_verifier.js";
import { asIs, METHODS } from "../calls.js";
import type { Target } from "./rig.js";
import type { Token } from "./tokens.js";

// How calls are made and their answers read, over each protocol.

/** What a call found out about one token: the outcome of a verdict, or why there is none. */
export type Answer =
  | {
      readonly outcome: string;
      /** How long ago the replica began the poll that the verdict rests on, in milliseconds, where the answer says it. */
      readonly feedAge?: number | undefined;
    }
  | { readonly failed: string };

/** Asks about tokens, and answers in their order; never rejects. */
export type Sender = (tokens: readonly Token[]) => Promise<readonly Answer[]>;

/** A way to ask a target. */
export interface Way {
  readonly via: string;
  /** The realms whose tokens can be asked about; all if absent. */
  readonly realm?: string;
  /** The most tokens of a call. */
  readonly most: number;
  readonly send: Sender;
}

/** How long a caller waits, in milliseconds: longer than the service's own limit, so that it is the service that gives up. */
const DEADLINE = 7_000;

/** Opens the ways to a target. @returns them, and a function that closes them */
export function waysTo(target: Target): { readonly ways: readonly Way[]; readonly close: () => void } {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  const client = target.grpc === undefined ? undefined : clientOf(target.grpc);
  const ways: readonly Way[] = [
    ...(client === undefined ? [] : grpcWays(client)),
    ...FACES.map(({ realm, request, read }) => ({
      via: realm,
      realm,
      most: 1,
      send: (tokens: readonly Token[]) =>
        Promise.all(tokens.map((token) => post(target.http, agent, request(token)).then(read, failed))),
    })),
  ];
  return {
    ways,
    close() {
      agent.destroy();
      client?.close();
    },
  };
}

/** A client that finds a target again soon after it was away. */
const clientOf = (address: string): Client =>
  new Client(address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 500,
    // A half-open connection is noticed as in production.
    "grpc.keepalive_time_ms": 1_000,
    "grpc.keepalive_timeout_ms": 1_000,
  });

function grpcWays(client: Client): readonly Way[] {
  const unary = async <Message>(
    method: string,
    request: Uint8Array,
    read: (bytes: Buffer) => Message,
  ): Promise<Message> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        method,
        asIs,
        asIs,
        Buffer.from(request),
        { deadline: Date.now() + DEADLINE },
        (error, answer) =>
          error !== null || answer === undefined ? reject(error ?? new Error("no answer")) : resolve(read(answer)),
      );
    });
  const answersOrFailure = (
    tokens: readonly Token[],
    answering: Promise<readonly Answer[]>,
  ): Promise<readonly Answer[]> => answering.catch((error: unknown) => tokens.map(() => failed(error)));
  return [
    {
      via: "unary",
      most: 1,
      send: (tokens) =>
        Promise.all(
          tokens.map((token) =>
            unary(METHODS.verify, VerifyTokenRequest.encode(requestOf(token)).finish(), (bytes) =>
              VerifyTokenResponse.decode(bytes),
            ).then(verdictOf, failed),
          ),
        ),
    },
    {
      via: "batch",
      most: 12,
      send: (tokens) => {
        const request = BatchVerifyTokensRequest.encode({ requests: tokens.map(requestOf) }).finish();
        return answersOrFailure(
          tokens,
          unary(METHODS.batch, request, (bytes) => BatchVerifyTokensResponse.decode(bytes)).then(({ responses }) =>
            responses.map(itemOf),
          ),
        );
      },
    },
    { via: "stream", most: 6, send: (tokens) => answersOrFailure(tokens, stream(client, tokens)) },
  ];
}

/** Asks on a stream, in two messages. */
function stream(client: Client, tokens: readonly Token[]): Promise<readonly Answer[]> {
  const open = client.makeBidiStreamRequest(METHODS.stream, asIs, asIs, { deadline: Date.now() + DEADLINE });
  const half = Math.ceil(tokens.length / 2);
  const parts = [tokens.slice(0, half), tokens.slice(half)];
  const answers = new Map<string, readonly Answer[]>();
  return new Promise((resolve, reject) => {
    open.on("data", (bytes: Buffer) => {
      const { id, responses } = StreamVerifyTokensResponse.decode(bytes);
      answers.set(id, responses.map(itemOf));
    });
    open.on("error", reject);
    open.on("end", () => {
      const all = parts.flatMap((_, id) => answers.get(String(id)) ?? []);
      if (all.length === tokens.length) resolve(all);
      else reject(new Error("a stream ended before all answers"));
    });
    for (const [id, part] of parts.entries()) {
      const message = StreamVerifyTokensRequest.encode({ id: String(id), requests: part.map(requestOf) }).finish();
      open.write(Buffer.from(message));
    }
    open.end();
  });
}

const requestOf = ({ realm, token, caller }: Token): VerifyTokenRequest => ({
  realm,
  token,
  caller,
  explain: false,
  proof: undefined,
});

const REASONS = new Map(Object.entries(Reason).map(([name, value]) => [value as number, name.replace("REASON_", "")]));
const nameOf = (reason: number): string => REASONS.get(reason) ?? String(reason);

function verdictOf({ verdict }: VerifyTokenResponse): Answer {
  if (verdict?.$case === "rejected") return { outcome: `rejected:${nameOf(verdict.value.reason)}` };
  if (verdict?.$case !== "verified") return { failed: "no verdict" };
  const email = verdict.value.principal?.user?.email;
  const age = verdict.value.evidence?.feedAge;
  return {
    outcome: email === undefined ? "verified" : `verified:${email}`,
    feedAge: age === undefined ? undefined : Number(age.seconds) * 1_000 + age.nanos / 1e6,
  };
}

function itemOf({ outcome }: BatchVerifyTokensResponse["responses"][number]): Answer {
  if (outcome?.$case === "verdict") return verdictOf(outcome.value);
  return outcome === undefined ? { failed: "no outcome" } : ofStatus(outcome.value.code);
}

/** A credential that is not good is an answer; every other status is none. */
function ofStatus(code: number): Answer {
  const name = status[code] ?? String(code);
  return name === "UNAUTHENTICATED" ? { outcome: "refused" } : { failed: name };
}

function failed(error: unknown): Answer {
  const { code, message } = error as Partial<ServiceError> & { code?: unknown; message?: string };
  if (typeof code === "number") return ofStatus(code);
  return { failed: typeof code === "string" ? code : (message ?? "unknown") };
}

interface Sent {
  readonly path: string;
  readonly headers: http.OutgoingHttpHeaders;
  readonly body: string;
}

interface Received {
  readonly code: number;
  readonly text: string;
}

/** What the member `valid` of a body says, if it has one. */
const isValid = (text: string): unknown => (JSON.parse(text) as { readonly valid?: unknown }).valid;

const JSON_TYPE = { "Content-Type": "application/json" };

/** The vendors' endpoints: the request about a token, and what an answer says. */
const FACES: readonly {
  readonly realm: string;
  readonly request: (token: Token) => Sent;
  readonly read: (received: Received) => Answer;
}[] = [
  {
    realm: "integuru",
    request: ({ token }) => ({ path: "/api/verify-token", headers: { Authorization: `Bearer ${token}` }, body: "" }),
    read: ({ code }) =>
      code === 200 ? { outcome: "verified" } : code === 401 ? { outcome: "rejected" } : { failed: String(code) },
  },
  {
    realm: "clowk",
    request: ({ token, caller }) => ({
      path: "/api/v1/tokens/verify",
      headers: { ...JSON_TYPE, "X-Clowk-Secret-Key": caller?.$case === "instanceSecretKey" ? caller.value : "" },
      body: JSON.stringify({ token }),
    }),
    read({ code, text }) {
      if (code === 200) return { outcome: `verified:${(JSON.parse(text) as { data: { email?: string } }).data.email}` };
      if (code === 401) return { outcome: isValid(text) === false ? "rejected" : "refused" };
      return code === 404 ? { outcome: "rejected" } : { failed: String(code) };
    },
  },
  {
    realm: "fiserv",
    request: ({ token, caller }) => {
      const { clientId, clientSecret } =
        caller?.$case === "clientCredentials" ? caller.value : { clientId: "", clientSecret: "" };
      return {
        path: "/v1/api/oauth/validateToken",
        headers: JSON_TYPE,
        body: JSON.stringify({ token, client_id: clientId, client_secret: clientSecret }),
      };
    },
    read({ code, text }) {
      if (code === 200) return { outcome: isValid(text) === true ? "verified" : "rejected" };
      return code === 401 ? { outcome: "refused" } : { failed: String(code) };
    },
  },
];

/**
 * Makes a request. One that fails on a connection that was used before, without any answer, is sent again once, as clients
 * do: the server may have closed the connection in the same moment.
 */
async function post(address: string, agent: http.Agent, sent: Sent, isAgain = false): Promise<Received> {
  const [host, port] = address.split(":");
  return new Promise((resolve, reject) => {
    const { path, headers, body } = sent;
    const length = { "Content-Length": Buffer.byteLength(body) };
    const request = http.request(
      { host, port, path, agent, method: "POST", headers: { ...headers, ...length }, timeout: DEADLINE },
      (res) => {
        let text = "";
        res.setEncoding("utf8");
        res.on("data", (chunk: string) => {
          text += chunk;
        });
        res.on("error", reject);
        res.on("end", () => {
          resolve({ code: res.statusCode ?? 0, text });
        });
      },
    );
    request.on("timeout", () => request.destroy(Object.assign(new Error("no answer in time"), { code: "TIMEOUT" })));
    request.on("error", (error: NodeJS.ErrnoException) => {
      if (request.reusedSocket && !isAgain && error.code === "ECONNRESET") resolve(post(address, agent, sent, true));
      else reject(error);
    });
    request.end(body);
  });
}
