import { expect } from "chai";
import { NOW } from "../support/clock.js";
import { type Deployment, deploy } from "../support/deployment.js";
import { makeToken } from "../support/token.js";
import { startLaterService } from "./later-service.js";

// The requests that every consumer sends, and the result that its client must print for each.

const token = (exp: number): string =>
  makeToken({ key: "p256", header: { alg: "ES256" }, claims: { sub: "user-1", exp } });

/** A good token of realm `lax`. */
export const GOOD = token(NOW / 1000 + 60);

/** An expired token of realm `lax`. */
export const EXPIRED = token(NOW / 1000 - 60);

/** A request, and the line that the guide prints for its answer, with reasons without their prefix. */
export interface Question {
  readonly to: "service" | "later";
  readonly realm: string;
  readonly token: string;
  readonly line: string;
}

/** Requests to the service itself, and to one of a later version. */
export const QUESTIONS: readonly Question[] = [
  { to: "service", realm: "lax", token: GOOD, line: "verified: user-1" },
  { to: "service", realm: "lax", token: EXPIRED, line: "rejected: TOKEN_EXPIRED exp" },
  { to: "service", realm: "lax", token: "", line: "no verdict: TOKEN_EMPTY" },
  { to: "service", realm: "gone", token: GOOD, line: "no verdict: REALM_UNKNOWN" },
  { to: "service", realm: "instances", token: GOOD, line: "no verdict: CALLER_MISSING" },
  { to: "later", realm: "later reason", token: "x", line: "rejected: unknown reason x" },
  { to: "later", realm: "later verdict", token: "x", line: "no verdict: a kind of a later version" },
  { to: "later", realm: "no details", token: "x", line: "no verdict: code 5" },
  // The first answer is UNAVAILABLE, and the service config makes the client retry.
  { to: "later", realm: "in trouble at first", token: "x", line: "verified: user" },
];

/** The service itself, and one of a later version. */
export interface Services {
  readonly addresses: Readonly<Record<Question["to"], string>>;
  close(): Promise<void>;
}

/** Starts both services. */
export async function startServices(): Promise<Services> {
  const deployment: Deployment = await deploy("verifier.yaml");
  const later = await startLaterService();
  return {
    addresses: { service: deployment.grpc, later: later.address },
    close: () => {
      later.close();
      return deployment.close();
    },
  };
}

/** Compares the lines of a consumer's client with those of the questions, in order. */
export function expectLines(lines: readonly string[], questions: readonly Question[]): void {
  expect(lines.map((line) => line.replace(" REASON_", " "))).to.deep.equal(questions.map(({ line }) => line));
}
