import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { type Caller, GIVE_UP } from "./libraries.js";
import { messagesOf, millisOf, pathOf, requestOf } from "./rows.js";
import type { Headers, Seen } from "./seen.js";

// Clients in other languages: programs that read rows and print what they saw, a line of JSON for each.

/** A program that makes calls. */
export interface Program {
  readonly call: Caller;
  /** Ends it. */
  end(): void;
}

/** Starts a program. */
export function startProgram(command: string, args: readonly string[]): Program {
  const child: ChildProcessWithoutNullStreams = spawn(command, args);
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  // A program that has ended is noticed by the missing line.
  child.stdin.on("error", () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async call(address, row, asked) {
      const { timeout, times = 1, cancel = false, next = [], compression = "", subtype = "" } = row;
      const calls = [messagesOf(row), ...next.map(({ token }) => [requestOf(token)])];
      const said = {
        address,
        path: pathOf(row),
        streams: row.messages !== undefined,
        calls: calls.map((messages) => messages.map((message) => message.toString("base64"))),
        times,
        metadata: Object.entries(row.metadata ?? {}).flatMap(([name, values]) =>
          [values].flat().map((value) => [name, value]),
        ),
        timeoutMillis: timeout === undefined ? GIVE_UP : millisOf(timeout),
        compression,
        subtype,
        cancels: cancel,
      };
      child.stdin.write(`${JSON.stringify(said)}\n`);
      if (cancel) void asked().then(() => child.stdin.write('"cancel"\n'));
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`the program has ended: ${errors}`);
      return (JSON.parse(value) as Shown[]).map(read);
    },
    end: () => void child.kill(),
  };
}

/** What a program prints of a call. */
interface Shown {
  readonly code: number;
  readonly message: string;
  readonly headers: readonly [string, string][];
  readonly trailers: readonly [string, string][];
  readonly answer: readonly string[];
}

function read({ code, message, headers, trailers, answer }: Shown): Seen {
  return {
    code,
    message,
    headers: grouped(headers),
    trailers: grouped(trailers),
    answer: answer.map((one) => Buffer.from(one, "base64")),
  };
}

function grouped(pairs: readonly [string, string][]): Headers {
  return Object.fromEntries(
    pairs.map(([name]) => [name, pairs.filter(([other]) => other === name).map(([, value]) => value)]),
  );
}
