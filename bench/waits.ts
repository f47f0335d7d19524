import http2 from "node:http2";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import Database from "better-sqlite3";
import { createFetcher } from "../src/keys/remote/fetch.js";
import { applyTo, Bench, putClient } from "../test/directory/support.js";
import { start, VERIFIED } from "../test/grpc/harness.js";
import { INTEGURU, open, READING_FACES, Wire, withBody } from "../test/http/harness.js";
import { Issuer } from "../test/keys/remote/misbehaving.js";
import { endFile } from "../test/support/after-file.js";
import { held } from "./compare.js";

// Checks that waits for a peer that is slow, silent or holds a lock end at the configured time, and not much later.

interface Wait {
  readonly name: string;
  /** The shortest and longest time that the wait may take, in milliseconds. */
  readonly bounds: readonly [least: number, most: number];
  /** Resolves at the end of the wait with its length in milliseconds. */
  readonly run: () => Promise<number>;
}

/** The time limit for a slow client's request, in milliseconds. */
const REQUEST = 300;

const WAITS: readonly Wait[] = [
  { name: "a writer at a locked store, for 50 ms", bounds: [30, 1_000], run: lockedWriter },
  {
    name: `HTTP headers a byte at a time, for ${REQUEST} ms`,
    bounds: [250, 5_000],
    run: () => drip("POST / HTTP/1.1\r\nHost: a\r\nX: ", "x"),
  },
  ...READING_FACES.map(
    (path): Wait => ({
      name: `${path} a byte at a time`,
      bounds: [250, 5_000],
      run: () => drip(unfinished(path), "1\r\nx\r\n"),
    }),
  ),
  { name: "a body that is left unread", bounds: [0, 5_000], run: () => drip(unfinished(INTEGURU), "1\r\nx\r\n") },
  { name: "a gRPC message that never comes whole, for 2 s", bounds: [1_500, 10_000], run: neverWhole },
  { name: "an issuer that says nothing, for 1 s", bounds: [900, 4_000], run: () => fetching("silent") },
  { name: "an issuer that sends a byte at a time, for 1 s", bounds: [900, 4_000], run: () => fetching("drip") },
];

export async function waits(): Promise<void> {
  console.log("waiting for a peer that is slow, silent or holds a lock: milliseconds");
  try {
    for (const { name, bounds, run } of WAITS) {
      const millis = Math.round(await run());
      const [least, most] = bounds;
      if (millis < least) process.exitCode = 1;
      const early = millis < least ? `(at least ${least} ms: NOT HELD) ` : "";
      console.log(`  ${name.padEnd(50)} ${`${millis} ms`.padEnd(10)} ${early}${held(millis, most, "ms")}`);
    }
  } finally {
    await endFile();
  }
}

/** Returns the time that some work takes, in milliseconds: also the part of it that runs before it returns a promise. */
async function millisOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Resolves once some work has failed, as it must. */
async function failureOf(doing: Promise<unknown>): Promise<void> {
  const failed = await doing.then(
    () => false,
    () => true,
  );
  if (!failed) throw new Error("what must fail did not");
}

async function lockedWriter(): Promise<number> {
  const bench = new Bench();
  await bench.open();
  const holder = new Database(bench.path);
  holder.exec("BEGIN IMMEDIATE");
  const directory = await bench.open({ busyTimeout: 50 });
  const millis = await millisOf(() => failureOf(applyTo(directory, putClient("c", "s"))));
  holder.close();
  await bench.release();
  return millis;
}

const unfinished = (path: string): string =>
  withBody(path, Buffer.alloc(0), true, "").toString().replace("0\r\n\r\n", "");

/** Sends the beginning of a request, then some bytes every 20 ms until the server closes. */
async function drip(beginning: string, bytes: string): Promise<number> {
  const server = await open(undefined, { request: REQUEST });
  const wire = new Wire(server.port).send(beginning);
  let at = 0;
  const timer = setInterval(() => wire.send(bytes[at++ % bytes.length] ?? "x"), 20);
  const millis = await millisOf(() => wire.closed);
  clearInterval(timer);
  return millis;
}

async function neverWhole(): Promise<number> {
  const { address } = await start(() => VERIFIED, { request: 2_000 });
  const session = http2.connect(`http://${address}`);
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": "/tokenverifier.v1.TokenVerifier/VerifyToken",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  stream.write(Buffer.from([0, 0, 0]));
  const millis = await millisOf(() => new Promise((resolve) => stream.on("close", resolve)));
  session.destroy();
  return millis;
}

/** Fetches from an issuer that does not answer, while garbage is collected repeatedly. */
async function fetching(mode: string): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const issuer = await Issuer.start();
  await issuer.be(mode, { keys: [] });
  const fetcher = createFetcher({ timeout: 1_000, insecure: true });
  const collecting = setInterval(collect, 100);
  const millis = await millisOf(() => failureOf(fetcher.within((ask) => ask(issuer.url, "keys"))));
  clearInterval(collecting);
  await fetcher.close();
  await issuer.close();
  return millis;
}
