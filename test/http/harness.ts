import net from "node:net";
import { z } from "zod";
import { Principal } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Call, CallService, FinishedCall } from "../../src/contract/call.js";
import {
  failure,
  type Outcome,
  type VerificationRequest,
  type Verified,
  type Verifier,
} from "../../src/contract/verifier.js";
import { directly, type Router, throughExpress } from "../../src/http/router.js";
import type { ServedRpc } from "../../src/http/rpc.js";
import { createGateway, type Gateway, type GatewayLimits } from "../../src/http/server.js";
import type { Face, Vendor } from "../../src/vendors/vendor.js";
import { afterEachFile } from "../support/after-file.js";
import { readCases } from "../support/cases.js";
import { createClock } from "../support/clock.js";
import { type HttpAnswer, requestBytes } from "../support/http.js";
import { exampleRequest, TEST_VENDORS } from "../support/vendors.js";

// Gateways on real ports in front of a verifier that the test writes, and connections whose bytes the test writes.

const vendorAt = (path: string): Vendor | undefined => TEST_VENDORS.find((vendor) => vendor.path === path);
const pathOf = (name: string): string => TEST_VENDORS.find((vendor) => vendor.name === name)?.path ?? "";

/** The paths of all faces. */
export const FACES = TEST_VENDORS.map(({ path }) => path);
/** The paths of the faces that read the body. */
export const READING_FACES = TEST_VENDORS.flatMap((vendor) =>
  exampleRequest(vendor, "good", {}).body.length > 0 ? [vendor.path] : [],
);

// Faces with something special that some tests need: Integuru's reads no body, Clowk's answers about its
// caller before the body, and Fiserv's finds everything in the body.
export const INTEGURU = pathOf("integuru");
export const CLOWK = pathOf("clowk");
export const FISERV = pathOf("fiserv");

const GOOD_CALLER = { secretKey: "sk_good", clientId: "a", clientSecret: "b" };

/** A vendor's face with its default settings. */
function faceOf({ face, faceSettings, maxTokenLength }: Vendor): Face {
  return face(z.object(faceSettings).parse({}), maxTokenLength);
}

const VERIFIED: Verified = {
  kind: "verified",
  token: {
    subject: "jane",
    issuer: "",
    audience: [],
    expiresAt: undefined,
    notBefore: undefined,
    issuedAt: undefined,
    id: "",
    keyId: "",
    algorithm: "HS256",
    payload: '{"taiki_user_id":"jane","client_app_id":"app"}',
    confirmation: undefined,
  },
  principal: Principal.fromPartial({ user: { id: "jane", instanceId: "inst", issuer: "" } }),
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
};

/** Verifies the token `good`, accepts the secret key `sk_good`, and throws at the token `throw`. */
export function verdict({ token, credential }: VerificationRequest): Outcome {
  if (credential?.kind === "instance" && credential.secretKey.isEmpty) return failure("CALLER_MISSING");
  if (credential?.kind === "instance" && credential.secretKey.reveal() !== "sk_good") return failure("CALLER_UNKNOWN");
  if (token.isEmpty) return failure("TOKEN_EMPTY");
  if (token.reveal() === "throw") throw new Error("a fault of the test's own");
  if (token.reveal() === "good") return VERIFIED;
  return { kind: "rejected", reason: "TOKEN_MALFORMED", claim: "", signatureVerified: false, checks: [] };
}

export interface Opened {
  readonly gateway: Gateway;
  readonly port: number;
  /** The requests that were answered. */
  readonly calls: (FinishedCall & Pick<Call, "via" | "requestId">)[];
  readonly faults: { readonly error: unknown; readonly requestId: string }[];
  /** The requests that the verifier received. */
  readonly asked: VerificationRequest[];
}

const LIMITS: GatewayLimits = {
  connections: 10_000,
  body: 64 * 1024,
  headers: 16 * 1024,
  request: 10_000,
  idle: 60_000,
};

const opened: Opened[] = [];
afterEachFile(() => Promise.all(opened.splice(0).map(({ gateway }) => gateway.close(0))));

/**
 * Opens a gateway with every vendor's face.
 *
 * @param rpc the part of the contract that the gateway shows; nothing if it is left out
 * @param host the address that the gateway listens on
 * @param router finds the faces (default: the router that the service uses)
 */
export async function open(
  verify: Verifier["verify"] = verdict,
  limits: Partial<GatewayLimits> = {},
  options: Partial<CallService> = {},
  rpc?: ServedRpc,
  host = "127.0.0.1",
  router?: Router,
): Promise<Opened> {
  const calls: Opened["calls"] = [];
  const faults: Opened["faults"] = [];
  const asked: VerificationRequest[] = [];
  const faces = TEST_VENDORS.map((vendor) => {
    const { name, path } = vendor;
    return { name, path, realm: name, face: faceOf(vendor) };
  });
  const gateway = createGateway(
    faces,
    { ...LIMITS, ...limits },
    {
      verifier: {
        verify: (request, context) => {
          asked.push(request);
          return verify(request, context);
        },
      },
      clock: createClock().now,
      observer: {
        ended: (finished) => {
          const { via, requestId } = finished.call;
          calls.push({ ...finished, via, requestId });
        },
        fault: ({ requestId }, error) => void faults.push({ error, requestId }),
      },
      addressOf: (peer) => peer,
      ...options,
    },
    rpc,
    {},
    router,
  );
  const port = Number((await gateway.listen(`${host}:0`)).split(":").at(-1));
  const self = { gateway, port, calls, faults, asked };
  opened.push(self);
  return self;
}

/** {@link open} of a gateway that finds its faces in one of the two ways; the host is 127.0.0.1. */
type Opener = (
  verify?: Verifier["verify"],
  limits?: Partial<GatewayLimits>,
  options?: Partial<CallService>,
  rpc?: ServedRpc,
) => Promise<Opened>;

/** Declares tests twice: for faces that are called directly, and for the same ones mounted in Express. */
export function overBoth(declare: (how: string, open: Opener) => void): void {
  for (const [how, router] of Object.entries({ directly, "through Express": throughExpress }))
    declare(how, (verify, limits, options, rpc) => open(verify, limits, options, rpc, undefined, router));
}

/** A connection whose bytes the test writes and reads. */
export class Wire {
  readonly #socket: net.Socket;
  #received = Buffer.alloc(0);
  #wake: (() => void)[] = [];
  /** Resolves once the server has closed its side or reset the connection. */
  readonly closed: Promise<void>;
  isClosed = false;

  constructor(port: number, host = "127.0.0.1") {
    this.#socket = net.connect({ port, host, allowHalfOpen: true });
    this.#socket.on("data", (data) => {
      this.#received = Buffer.concat([this.#received, data]);
      for (const wake of this.#wake.splice(0)) wake();
    });
    this.closed = new Promise((resolve) => {
      const over = (): void => {
        this.isClosed = true;
        for (const wake of this.#wake.splice(0)) wake();
        resolve();
      };
      this.#socket.on("end", () => {
        over();
        this.#socket.end();
      });
      this.#socket.on("close", over);
    });
    this.#socket.on("error", () => {});
  }

  send(bytes: Buffer | string): this {
    this.#socket.write(bytes);
    return this;
  }

  /** Stops reading what the server sends. */
  stopReading(): this {
    this.#socket.pause();
    return this;
  }

  /** Closes the sending side and goes on reading. */
  halfClose(): void {
    this.#socket.end();
  }

  /** Drops the connection without an end, unless the sending side is being closed just now. */
  reset(): void {
    // Node loses a socket that is reset while it is being ended: its descriptor stays open, and the process cannot
    // end.
    if (this.#socket.writableEnded && !this.#socket.writableFinished) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  get text(): string {
    return this.#received.toString("latin1");
  }

  /** Waits for a text. @throws if the server closes before the text has arrived */
  async until(text: string): Promise<void> {
    while (!this.text.includes(text)) {
      if (this.isClosed) throw new Error(`closed before ${JSON.stringify(text)}: ${this.text}`);
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** Returns the next answer, without `100 Continue`. @throws if the server closes before the answer is whole */
  async answer(method = "POST"): Promise<HttpAnswer> {
    let continued = false;
    for (;;) {
      const end = this.#received.indexOf("\r\n\r\n");
      if (end >= 0) {
        const [first = "", ...lines] = this.#received.subarray(0, end).toString("latin1").split("\r\n");
        if (first.startsWith("HTTP/1.1 100")) {
          continued = true;
          this.#received = this.#received.subarray(end + 4);
          continue;
        }
        const headers = lines.map((line) => {
          const colon = line.indexOf(":");
          return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
        });
        const [, length = "0"] = headers.find(([name]) => name.toLowerCase() === "content-length") ?? [];
        const size = method === "HEAD" ? 0 : Number(length);
        if (this.#received.length >= end + 4 + size) {
          const body = this.#received.subarray(end + 4, end + 4 + size).toString("utf8");
          this.#received = this.#received.subarray(end + 4 + size);
          return { status: Number(first.slice(9, 12)), headers, body, continued };
        }
      }
      if (this.isClosed) throw new Error(`closed without an answer: ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }
}

/** A good request to a face, or to a path without one, that keeps its connection open. */
export function good(path: string, headers: readonly (readonly [string, string])[] = []): Buffer {
  const request = exampleRequest(vendorAt(path) ?? vendorAt(FISERV)!, "good", GOOD_CALLER);
  return requestBytes({ ...request, target: path, headers: [...request.headers, ...headers] }, "");
}

/** The body of a good request to a face; empty if the face reads none. */
export const bodyOf = (path: string): string => exampleRequest(vendorAt(path)!, "good", GOOD_CALLER).body.toString();

/**
 * A request to a face that differs from the good one only in its body. @param connection as in {@link requestBytes}
 */
export function withBody(path: string, body: Buffer, chunked = false, connection = "close"): Buffer {
  return requestBytes({ ...exampleRequest(vendorAt(path)!, "good", GOOD_CALLER), body, chunked }, connection);
}

/** The body of the answer to a good request, by path. */
export const GOOD_BODY: Readonly<Record<string, string>> = Object.fromEntries(
  TEST_VENDORS.map((vendor) => {
    return [vendor.path, faceOf(vendor).write(VERIFIED, { method: "POST", values: () => [] }).body];
  }),
);

/** The bodies that the faces answer in a row of their contract, by path, taken from the cases of that row. */
export function bodiesInRow(row: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    readCases().flatMap(({ covers, rest }) => {
      const vendor = TEST_VENDORS.find(({ name }) => covers.includes(`${name} ${row}`));
      return vendor === undefined || rest === undefined ? [] : [[vendor.path, rest.answer.body]];
    }),
  );
}
