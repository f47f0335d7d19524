import { METHODS } from "./calls.js";
import type { Contender, Plan } from "./compare.js";
import {
  type Age,
  type Entry,
  type GrpcFloor,
  type HttpFloor,
  nameOf,
  type PeerName,
  sizesOf,
  tokensIn,
} from "./entries.js";
import { clowkTokenOf, FACES, type Face, USERS } from "./faces.js";
import { type GrpcClient, grpcClient } from "./grpc-load.js";
import { type HttpClient, httpClient } from "./http-load.js";
import {
  bearerLoad,
  connectLoad,
  frameOf,
  grpcLoad,
  httpLoad,
  inProcess,
  once,
  rotation,
  type Supply,
  THIS_PROCESS,
  verifyBy,
} from "./loads.js";
import { type Load, type Measured, start } from "./measured.js";
import { SHAPES } from "./messages.js";
import { type Libraries, openLibraries } from "./peers/libraries.js";
import { type Peer, startGo, startHaproxy } from "./peers/peers.js";
import { ALGORITHMS, type BenchAlgorithm, makeTokens, type Signer, signerOf } from "./tokens.js";
import { startVerifying, type VerifyingService } from "./verifying-service.js";

/** The distinct tokens of an algorithm, or of a vendor, that are in rotation as tokens seen before. */
const SEEN = 2_000;

/** The most distinct tokens of an algorithm that are signed in advance. */
const POOL = 6_000;

/** Contenders that are ready to be raced. */
export interface LineUp {
  readonly contenders: readonly Contender[];
  /** Throws unless every token was as fresh, or as well known, as its contender says. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** A server or this process, and the load that costs it. */
type Ready = Pick<Contender, "server" | "send">;

/** Starts everything that some entries need, and makes their tokens: each as many fresh ones as a plan uses. */
export async function lineUp(entries: readonly Entry[], plan: Plan): Promise<LineUp> {
  const sizeOf = sizesOf(entries, plan);
  const signers = ALGORITHMS.map((algorithm) => signerOf(algorithm));
  const signerFor = (algorithm: BenchAlgorithm): Signer => known(signers.find((one) => one.algorithm === algorithm));
  const used = (isOne: (entry: Entry) => boolean): number =>
    entries
      .filter((one) => "age" in one && one.age === "fresh" && isOne(one))
      .reduce((sum, one) => sum + tokensIn(sizeOf(one), plan), 0);
  const needed = new Map(ALGORITHMS.map((name) => [name, used((one) => "algorithm" in one && one.algorithm === name)]));
  const inCore = used((one) => one.kind === "library");
  const realms = Math.ceil(Math.max(1, inCore, ...needed.values()) / POOL);

  const pools = new Map<BenchAlgorithm, readonly string[]>();
  for (const [algorithm, count] of needed) {
    const wanted = Math.max(SEEN, count, algorithm === "RS256" ? inCore : 0);
    pools.set(algorithm, await makeTokens(signerFor(algorithm), Math.min(POOL, wanted)));
  }
  const supply = {
    seen: memo(
      (algorithm: BenchAlgorithm): Supply =>
        rotation(signerFor(algorithm), (pools.get(algorithm) ?? []).slice(0, SEEN)),
    ),
    fresh: memo((algorithm: BenchAlgorithm): Supply => once(signerFor(algorithm), pools.get(algorithm) ?? [], realms)),
  };

  // A process each, so that the facts of fresh tokens do not burden calls for tokens seen before.
  const seen = await startVerifying(signers, 1, "256MiB");
  const fresh = await startVerifying(signers, realms);
  const services: Readonly<Record<Age, VerifyingService>> = { seen, fresh };
  const grpc = memo((address: string): GrpcClient => grpcClient(address));
  const http = memo((address: string): HttpClient => httpClient(address));

  const answers = await askAll(grpc(seen.grpc), supply.seen);
  const faces = new Map<string, FaceTokens>();
  for (const face of FACES) {
    const count = SEEN + used((one) => one.kind === "face" && one.vendor === face.vendor);
    const tokens = await tokensOf(face, count, signerFor);
    faces.set(face.vendor, { face, tokens, answer: await askFace(http(seen.http), face, tokens) });
  }
  const faceLoad = (address: string, vendor: string, age: Age): Load => {
    const { face, tokens, answer } = known(faces.get(vendor));
    let turn = 0;
    const request = (): Buffer => {
      const n = age === "seen" ? turn++ % SEEN : SEEN + turn++;
      return face.request(known(tokens[n]), n);
    };
    return httpLoad(http(address), request, answer.length);
  };

  const bodies = JSON.stringify(
    Object.fromEntries([...faces.values()].map(({ face, answer }) => [face.path, answer.toString("base64")])),
  );
  const [unary, streamed] = [answers.unary, answers.stream].map((answer) => answer.subarray(5).toString("base64"));
  const bare = memo((server: "bare-grpc" | "bare-http2" | "bare-http" | "bare-express"): Promise<Measured> => {
    if (server === "bare-grpc") return start(server, known(unary), known(streamed));
    return start(server, server === "bare-http2" ? known(unary) : bodies);
  });
  const BARE = {
    "grpc-js unary": { server: "bare-grpc", shape: SHAPES.unary },
    "grpc-js stream": { server: "bare-grpc", shape: SHAPES.stream1 },
    "node:http2 unary": { server: "bare-http2", shape: SHAPES.unary },
  } as const satisfies Record<GrpcFloor, object>;
  const BARE_HTTP = { "node:http": "bare-http", Express: "bare-express" } as const satisfies Record<HttpFloor, string>;

  const rs256 = signerFor("RS256");
  const go = memo((): Promise<Peer> => startGo(known(rs256.pem), answers.unary.subarray(5)));
  const haproxy = memo((): Promise<Peer> => startHaproxy(known(rs256.pem)));
  const libraries = memo((): Promise<Libraries> => openLibraries(rs256, realms + 1));
  const peer = async (name: PeerName): Promise<Ready> => {
    const next = supply.seen("RS256");
    if (name === "HAProxy") {
      const server = await haproxy();
      return { server, send: bearerLoad(http(server.address), next) };
    }
    const server = await go();
    const shape = name === "grpc-go batch of 100" ? SHAPES.batch100 : SHAPES.unary;
    const method = name === "grpc-go echo" ? "/bench.Echo/Echo" : shape.method;
    return { server, send: grpcLoad(grpc(server.address), shape, next, method) };
  };

  const ready = async (entry: Entry): Promise<Ready> => {
    switch (entry.kind) {
      case "grpc": {
        const server = services[entry.age];
        const next = supply[entry.age](entry.algorithm);
        return { server, send: grpcLoad(grpc(server.grpc), SHAPES[entry.shape], next) };
      }
      case "connect": {
        const server = services[entry.age];
        return { server, send: connectLoad(http(server.http), supply[entry.age](entry.algorithm)) };
      }
      case "face": {
        const server = services[entry.age];
        return { server, send: faceLoad(server.http, entry.vendor, entry.age) };
      }
      case "floor": {
        const { server: name, shape } = BARE[entry.floor];
        const server = await bare(name);
        return { server, send: grpcLoad(grpc(known(server.ready.address)), shape, supply.seen("RS256")) };
      }
      case "face floor": {
        const server = await bare(BARE_HTTP[entry.floor]);
        return { server, send: faceLoad(known(server.ready.address), entry.vendor, "seen") };
      }
      case "signature": {
        const signer = signerFor(entry.algorithm);
        return {
          server: THIS_PROCESS,
          send: inProcess(supply.seen(entry.algorithm), ({ token }) => signer.check(token)),
        };
      }
      case "peer":
        return peer(entry.peer);
      case "library": {
        const { age, library } = entry;
        const verify = (await libraries()).verify(library, age);
        const pool = known(pools.get("RS256"));
        if (age === "fresh") return { server: THIS_PROCESS, send: inProcess(once(rs256, pool, realms), verify) };
        // A realm of its own, in which no token is fresh by the time of the race.
        const send = inProcess(rotation(rs256, pool.slice(0, SEEN), realms), verify);
        await send(SEEN);
        return { server: THIS_PROCESS, send };
      }
    }
  };
  const contenders: Contender[] = [];
  for (const entry of entries) contenders.push({ name: nameOf(entry), ...sizeOf(entry), ...(await ready(entry)) });
  return {
    contenders,
    async check() {
      // A decision is made again, with a fact by now, once a user has been loaded.
      const { hit } = await fresh.lookups();
      if (hit > USERS) throw new Error(`${hit} tokens that should have been fresh had been seen before`);
      const { miss } = await seen.lookups();
      if (miss > SEEN * (ALGORITHMS.length + FACES.length)) throw new Error(`${miss} tokens were not seen before`);
    },
    async close() {
      for (const client of [...grpc.made(), ...http.made()]) client.close();
      for (const server of [seen, fresh]) server.stop();
      for (const server of [...bare.made(), ...go.made(), ...haproxy.made()]) (await server).stop();
      for (const opened of libraries.made()) await (await opened).close();
    },
  };
}

/** The tokens of a vendor's endpoint: first those in rotation, then the fresh ones. */
interface FaceTokens {
  readonly face: Face;
  readonly tokens: readonly string[];
  /** The body of an answer to a good token. */
  readonly answer: Buffer;
}

/** Lets a service see all tokens of the rotations once, and returns a sample of its answers. */
async function askAll(client: GrpcClient, supply: (algorithm: BenchAlgorithm) => Supply) {
  for (const algorithm of ALGORITHMS) {
    for (let n = 0; n < SEEN; n += 1000) await verifyBy(client, SHAPES.batch1000, supply(algorithm));
  }
  const sample = supply("RS256");
  const unary = await verifyBy(client, SHAPES.unary, sample);
  const open = client.stream(METHODS.stream);
  const stream = await open.send(frameOf(SHAPES.stream1, sample));
  await open.end();
  return { unary, stream };
}

/** Lets a service see all tokens of an endpoint's rotation once, and returns a sample of its answers. */
async function askFace(client: HttpClient, face: Face, tokens: readonly string[]): Promise<Buffer> {
  let answer: Buffer = Buffer.alloc(0);
  for (let n = 0; n < SEEN; n += 20) {
    const some = tokens.slice(n, n + 20).map((token, m) => client.send(face.request(token, n + m)));
    answer = (await Promise.all(some))[0] ?? answer;
  }
  return answer;
}

async function tokensOf(
  face: Face,
  count: number,
  signerFor: (algorithm: BenchAlgorithm) => Signer,
): Promise<readonly string[]> {
  if (face.algorithm === undefined) return Array.from({ length: count }, (_, n) => clowkTokenOf(n));
  return makeTokens(signerFor(face.algorithm), count, (n) => face.claims(n));
}

/** Makes each value once, by its key, and lists those that were made. */
function memo<Key extends readonly unknown[], Value>(make: (...key: Key) => Value) {
  const made = new Map<unknown, Value>();
  const get = (...key: Key): Value => {
    const value = made.get(key[0]) ?? make(...key);
    made.set(key[0], value);
    return value;
  };
  return Object.assign(get, { made: () => made.values() });
}

function known<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("something of the benchmark is missing");
  return value;
}
