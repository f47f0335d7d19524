import { METHODS } from "./calls.js";
import type { Contender, Plan } from "./compare.js";
import { clowkTokenOf, FACES, type Face, USERS } from "./faces.js";
import { type GrpcClient, grpcClient } from "./grpc-load.js";
import { type HttpClient, httpClient, postOf } from "./http-load.js";
import { type Load, load, type Measured, start } from "./measured.js";
import { item, SHAPES, type Shape } from "./messages.js";
import { ALGORITHMS, type BenchAlgorithm, makeTokens, type Signer, signerOf } from "./tokens.js";
import { realmName, startVerifying, type VerifyingService } from "./verifying-service.js";

// What a benchmark can race: the service by each transport, the least that each transport can cost, and signatures alone.

/** Whether the service has seen the tokens before. */
export type Age = "seen" | "fresh";

/** One of the things that can be raced. */
export type Entry =
  | {
      readonly kind: "grpc";
      readonly shape: keyof typeof SHAPES;
      readonly algorithm: BenchAlgorithm;
      readonly age: Age;
    }
  | { readonly kind: "connect"; readonly algorithm: BenchAlgorithm; readonly age: Age }
  | { readonly kind: "face"; readonly vendor: string; readonly age: Age }
  | { readonly kind: "floor"; readonly floor: GrpcFloor }
  | { readonly kind: "face floor"; readonly floor: HttpFloor; readonly vendor: string }
  | { readonly kind: "signature"; readonly algorithm: BenchAlgorithm };

/** The least that a gRPC call, or a message of a stream, can cost. */
export type GrpcFloor = "grpc-js unary" | "grpc-js stream" | "node:http2 unary";
/** The least that a request of a vendor's endpoint can cost. */
export type HttpFloor = "node:http" | "Express";

/** Returns the name of an entry, which is unique. */
export function nameOf(entry: Entry): string {
  switch (entry.kind) {
    case "grpc":
      return `gRPC ${SHAPES[entry.shape].name}, ${entry.algorithm}, ${entry.age}`;
    case "connect":
      return `Connect JSON, ${entry.algorithm}, ${entry.age}`;
    case "face":
      return `${entry.vendor}, ${entry.age}`;
    case "floor":
      return `bare ${entry.floor}`;
    case "face floor":
      return `bare ${entry.floor}, ${entry.vendor}`;
    case "signature":
      return `bare signature check, ${entry.algorithm}`;
  }
}

/** Returns the name of the entry that an entry is best compared with; undefined for the floors themselves. */
export function floorOf(entry: Entry): string | undefined {
  switch (entry.kind) {
    case "grpc":
    case "connect":
      return nameOf({ kind: "floor", floor: "grpc-js unary" });
    case "face":
      return nameOf({ kind: "face floor", floor: "node:http", vendor: entry.vendor });
    default:
      return undefined;
  }
}

/** The distinct tokens of an algorithm that are in rotation as tokens seen before. */
const SEEN = 2_000;

/** The most distinct tokens of an algorithm that are signed in advance. */
const POOL = 6_000;

/** The calls, or messages of streams, in flight. */
const IN_FLIGHT = 64;
/** The streams that carry them: a server answers 16 messages of one at a time. */
const STREAMS = 4;

/** A token and the realm that it is for. */
interface Ask {
  readonly realm: string;
  readonly token: string;
}

/** Contenders that are ready to be raced. */
export interface LineUp {
  readonly contenders: readonly Contender[];
  /** Throws unless every token was as fresh, or as well known, as its contender says. */
  check(): Promise<void>;
  close(): void;
}

/**
 * Starts everything that some entries need, and makes their tokens.
 *
 * A fact belongs to a realm, and the service compares nothing across realms. So the fresh tokens of an algorithm are a pool
 * of distinct tokens that is sent to one realm after another, all with the same key: each pair of realm and token is sent
 * once. A token costs each of these realms the whole of its digest, reading, signature and fact.
 */
export async function lineUp(entries: readonly Entry[], plan: Plan): Promise<LineUp> {
  const closers: (() => void)[] = [];
  const signers = ALGORITHMS.map((algorithm) => signerOf(algorithm));
  const signerFor = (algorithm: BenchAlgorithm): Signer => {
    const signer = signers.find((one) => one.algorithm === algorithm);
    if (signer === undefined) throw new Error(`no key for ${algorithm}`);
    return signer;
  };
  /** The fresh tokens that the contenders of an algorithm use together. */
  const needed = (algorithm: BenchAlgorithm): number => {
    const some = entries.filter(
      (one) => "age" in one && one.age === "fresh" && "algorithm" in one && one.algorithm === algorithm,
    );
    return some
      .map((one) => sizeOf(one, plan))
      .reduce((sum, { requests, each }) => sum + requests * each * (plan.rounds + 1), 0);
  };
  const most = Math.max(...ALGORITHMS.map(needed));
  const realms = Math.max(1, Math.ceil(most / POOL));

  // A process each, so that the facts of fresh tokens do not burden calls for tokens seen before.
  const seen = await startVerifying(signers, 1, "256MiB");
  const fresh = await startVerifying(signers, realms);
  closers.push(
    () => seen.stop(),
    () => fresh.stop(),
  );
  const services: Readonly<Record<Age, VerifyingService>> = { seen, fresh };

  const pools = new Map<BenchAlgorithm, readonly string[]>();
  for (const signer of signers) {
    const count = Math.max(SEEN, Math.min(POOL, needed(signer.algorithm)));
    pools.set(signer.algorithm, await makeTokens(signer, count));
  }
  const supplies = new Map<string, () => Ask>();
  const supplyOf = (algorithm: BenchAlgorithm, age: Age): (() => Ask) => {
    const known = supplies.get(`${algorithm} ${age}`);
    if (known !== undefined) return known;
    const pool = pools.get(algorithm) ?? [];
    const supply = age === "seen" ? rotation(signerFor(algorithm), pool) : once(signerFor(algorithm), pool, realms);
    supplies.set(`${algorithm} ${age}`, supply);
    return supply;
  };

  const clients = new Map<string, GrpcClient>();
  const clientOf = (address: string): GrpcClient => {
    const client = clients.get(address) ?? grpcClient(address);
    clients.set(address, client);
    return client;
  };
  const httpClients = new Map<string, HttpClient>();
  const httpClientOf = (address: string): HttpClient => {
    const client = httpClients.get(address) ?? httpClient(address);
    httpClients.set(address, client);
    return client;
  };
  closers.push(() => {
    for (const client of [...clients.values(), ...httpClients.values()]) client.close();
  });

  // Every token of a rotation is seen once, and a sample of each answer is kept for the floors.
  const seenClient = clientOf(seen.grpc);
  for (const algorithm of ALGORITHMS) {
    const next = supplyOf(algorithm, "seen");
    for (let n = 0; n < SEEN; n += 1000) await send(seenClient, SHAPES.batch1000, next);
  }
  const sample = supplyOf("RS256", "seen");
  const unaryAnswer = await send(seenClient, SHAPES.unary, sample);
  const streamOfOne = seenClient.stream(METHODS.stream);
  const streamAnswer = await streamOfOne.send(frameOf(SHAPES.stream1, sample));
  await streamOfOne.end();

  const faces = new Map<string, FaceLoad>();
  for (const face of FACES) {
    const sizes = entries.filter((one) => one.kind === "face" && one.vendor === face.vendor && one.age === "fresh");
    const count = sizes.length === 0 ? 0 : sizeOf(sizes[0] as Entry, plan).requests * (plan.rounds + 1);
    const all = await faceTokens(face, SEEN + count, signerFor);
    const client = httpClientOf(seen.http);
    let answer: Buffer = Buffer.alloc(0);
    for (let n = 0; n < SEEN; n += 20) {
      const some = Array.from({ length: 20 }, (_, m) => face.request(all[n + m] ?? "", n + m));
      [answer = answer] = await Promise.all(some.map((request) => client.send(request)));
    }
    faces.set(face.vendor, { face, tokens: all, answer });
  }

  const bare = new Map<string, Promise<Measured>>();
  const bareOf = (server: string, ...args: string[]): Promise<Measured> => {
    const started = bare.get(server) ?? start(server, ...args);
    bare.set(server, started);
    return started;
  };
  closers.push(() => {
    for (const one of bare.values()) void one.then((server) => server.stop());
  });
  const bodies = JSON.stringify(
    Object.fromEntries([...faces.values()].map(({ face, answer }) => [face.path, answer.toString("base64")])),
  );
  const withoutPrefix = (answer: Buffer): string => answer.subarray(5).toString("base64");
  const FLOORS: Readonly<Record<GrpcFloor | HttpFloor, () => Promise<Measured>>> = {
    "grpc-js unary": () => bareOf("bare-grpc", withoutPrefix(unaryAnswer), withoutPrefix(streamAnswer)),
    "grpc-js stream": () => bareOf("bare-grpc", withoutPrefix(unaryAnswer), withoutPrefix(streamAnswer)),
    "node:http2 unary": () => bareOf("bare-http2", withoutPrefix(unaryAnswer)),
    "node:http": () => bareOf("bare-http", bodies),
    Express: () => bareOf("bare-express", bodies),
  };

  const loadOf = async (entry: Entry): Promise<{ readonly server: Contender["server"]; readonly send: Load }> => {
    switch (entry.kind) {
      case "grpc": {
        const server = services[entry.age];
        return {
          server,
          send: grpcLoad(clientOf(server.grpc), SHAPES[entry.shape], supplyOf(entry.algorithm, entry.age)),
        };
      }
      case "connect": {
        const server = services[entry.age];
        const client = httpClientOf(server.http);
        const next = supplyOf(entry.algorithm, entry.age);
        return { server, send: load(32, async () => void (await client.send(connectRequest(next())))) };
      }
      case "face": {
        const server = services[entry.age];
        const client = httpClientOf(server.http);
        return { server, send: faceLoad(client, faces.get(entry.vendor), entry.age) };
      }
      case "floor": {
        const server = await FLOORS[entry.floor]();
        const shape = entry.floor === "grpc-js stream" ? SHAPES.stream1 : SHAPES.unary;
        return { server, send: grpcLoad(clientOf(server.ready.address ?? ""), shape, supplyOf("RS256", "seen")) };
      }
      case "face floor": {
        const server = await FLOORS[entry.floor]();
        const client = httpClientOf(server.ready.address ?? "");
        return { server, send: faceLoad(client, faces.get(entry.vendor), "seen") };
      }
      case "signature":
        return { server: THIS_PROCESS, send: signatures(signerFor(entry.algorithm), pools.get(entry.algorithm) ?? []) };
    }
  };
  const contenders: Contender[] = [];
  for (const entry of entries)
    contenders.push({ name: nameOf(entry), ...sizeOf(entry, plan), ...(await loadOf(entry)) });
  return {
    contenders,
    async check() {
      // A decision is made again, with a fact by now, once a user has been loaded.
      const { hit } = await fresh.lookups();
      if (hit > USERS) throw new Error(`${hit} tokens that should have been fresh had been seen before`);
      const { miss } = await seen.lookups();
      if (miss > SEEN * (ALGORITHMS.length + FACES.length)) throw new Error(`${miss} tokens were not seen before`);
    },
    close() {
      for (const close of closers) close();
    },
  };
}

/** The requests of a round, and the tokens in each: batches have some thousands of tokens, however large they are. */
function sizeOf(entry: Entry, { requests }: Plan): { readonly requests: number; readonly each: number } {
  if (entry.kind !== "grpc") return { requests, each: 1 };
  const each = SHAPES[entry.shape].tokens;
  return { requests: each === 1 ? requests : Math.ceil((requests * 2) / each), each };
}

/** The CPU of this process, for work that needs no server. */
const THIS_PROCESS: Contender["server"] = {
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return Promise.resolve(user + system);
  },
};

const signatures =
  (signer: Signer, pool: readonly string[]): Load =>
  async (count) => {
    for (let n = 0; n < count; n++) {
      if (!signer.check(pool[n % pool.length] ?? "")) throw new Error("a good signature does not verify");
    }
  };

function rotation(signer: Signer, pool: readonly string[]): () => Ask {
  const realm = realmName(signer, 0);
  let turn = 0;
  return () => ({ realm, token: pool[turn++ % SEEN] ?? "" });
}

function once(signer: Signer, pool: readonly string[], realms: number): () => Ask {
  let turn = 0;
  return () => {
    const realm = Math.floor(turn / pool.length);
    if (realm >= realms) throw new Error("all fresh tokens are used up");
    return { realm: realmName(signer, realm), token: pool[turn++ % pool.length] ?? "" };
  };
}

function frameOf(shape: Shape, next: () => Ask): Buffer {
  return shape.frame(
    Array.from({ length: shape.tokens }, () => {
      const { realm, token } = next();
      return item(realm, token);
    }),
  );
}

async function send(client: GrpcClient, shape: Shape, next: () => Ask): Promise<Buffer> {
  const answer = await client.call(shape.method, frameOf(shape, next));
  if (!shape.isGood(answer)) throw new Error(`${shape.name}: a good token is not verified`);
  return answer;
}

function grpcLoad(client: GrpcClient, shape: Shape, next: () => Ask): Load {
  if (!shape.isStream) return load(IN_FLIGHT, async () => void (await send(client, shape, next)));
  return async (count) => {
    const streams = Array.from({ length: STREAMS }, () => client.stream(shape.method));
    let turn = 0;
    const all = load(IN_FLIGHT, async () => {
      const answer = await streams[turn++ % STREAMS]?.send(frameOf(shape, next));
      if (answer === undefined || !shape.isGood(answer)) throw new Error(`${shape.name}: a good token is not verified`);
    });
    await all(count);
    await Promise.all(streams.map((stream) => stream.end()));
  };
}

const connectRequest = ({ realm, token }: Ask): Buffer =>
  postOf(METHODS.verify, { "Content-Type": "application/json" }, JSON.stringify({ realm, token }));

/** A vendor's endpoint with its tokens: first those in rotation, then the fresh ones. */
interface FaceLoad {
  readonly face: Face;
  readonly tokens: readonly string[];
  /** The body of an answer to a good token. */
  readonly answer: Buffer;
}

async function faceTokens(
  face: Face,
  count: number,
  signerFor: (algorithm: BenchAlgorithm) => Signer,
): Promise<readonly string[]> {
  if (face.algorithm === undefined) return Array.from({ length: count }, (_, n) => clowkTokenOf(n));
  return makeTokens(signerFor(face.algorithm), count, (n) => face.claims(n));
}

function faceLoad(client: HttpClient, of: FaceLoad | undefined, age: Age): Load {
  if (of === undefined) throw new Error("there is no such endpoint");
  const { face, tokens, answer } = of;
  let turn = 0;
  return load(32, async () => {
    const n = age === "seen" ? turn++ % SEEN : SEEN + turn++;
    const token = tokens[n];
    if (token === undefined) throw new Error(`all fresh tokens of ${face.vendor} are used up`);
    const { length } = await client.send(face.request(token, n));
    if (Math.abs(length - answer.length) > 8) throw new Error(`${face.vendor}: an answer of ${length} bytes`);
  });
}
