import type { Plan } from "./compare.js";
import { SHAPES } from "./messages.js";
import type { BenchAlgorithm } from "./tokens.js";

// What a benchmark can race, as data: the service by each transport, the least that each transport can cost, signatures
// alone, and peers.

/** Whether the service has seen the tokens before. */
export type Age = "seen" | "fresh";

/** The least that a gRPC call, or a message of a stream, can cost. */
export type GrpcFloor = "grpc-js unary" | "grpc-js stream" | "node:http2 unary";

/** The least that a request of a vendor's endpoint can cost. */
export type HttpFloor = "node:http" | "Express";

/** Other software that verifies RS256: servers, and libraries in this process. */
export type PeerName = "grpc-go unary" | "grpc-go batch of 100" | "grpc-go echo" | "HAProxy";

/** A library, or the service's core, in the process of the benchmark. */
export type LibraryName = "our core" | "fast-jwt" | "jose";

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
  | { readonly kind: "signature"; readonly algorithm: BenchAlgorithm }
  | { readonly kind: "peer"; readonly peer: PeerName }
  | { readonly kind: "library"; readonly library: LibraryName; readonly age: Age };

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
    case "peer":
      return entry.peer;
    case "library":
      return `in process: ${entry.library}, ${entry.age}`;
  }
}

/** Returns the entry that an entry is best compared with; undefined for the floors themselves. */
function floorOf(entry: Entry): Entry | undefined {
  switch (entry.kind) {
    case "grpc":
    case "connect":
    case "peer":
      return { kind: "floor", floor: "grpc-js unary" };
    case "face":
      return { kind: "face floor", floor: "node:http", vendor: entry.vendor };
    case "library":
      return { kind: "signature", algorithm: "RS256" };
    default:
      return undefined;
  }
}

/** Returns the name of the floor of each entry that has one, by the entry's name. */
export function floorsOf(entries: readonly Entry[]): Readonly<Record<string, string>> {
  const floors: Record<string, string> = {};
  for (const entry of entries) {
    const floor = floorOf(entry);
    if (floor !== undefined) floors[nameOf(entry)] = nameOf(floor);
  }
  return floors;
}

/** Returns the tokens in each request of an entry. */
function eachOf(entry: Entry): number {
  if (entry.kind === "grpc") return SHAPES[entry.shape].tokens;
  return entry.kind === "peer" && entry.peer === "grpc-go batch of 100" ? 100 : 1;
}

/**
 * The tokens that a way of answering sees before the first round, of all entries that share it. Node compiles the code by
 * then: bare grpc-js takes the longest, some 12,000 calls.
 */
const WARM: Readonly<Record<Entry["kind"], number>> = {
  grpc: 10_000,
  connect: 10_000,
  face: 4_000,
  floor: 14_000,
  "face floor": 12_000,
  signature: 2_000,
  peer: 3_000,
  library: 4_000,
};

/** Returns what entries have in common that are answered by the same code, or compiled code, of one process. */
function wayOf(entry: Entry): string {
  if (entry.kind === "grpc") return nameOf({ ...entry, algorithm: "RS256" });
  if (entry.kind === "connect") return `connect ${entry.age}`;
  return entry.kind === "face floor" ? `bare ${entry.floor}` : nameOf(entry);
}

/** The size of an entry's part of a race. */
export interface Size {
  /** The requests of a round. */
  readonly requests: number;
  /** The requests before the first round. */
  readonly warm: number;
  /** The tokens in each. */
  readonly each: number;
}

/** Returns the size of each entry's part: twice as many tokens in batches, of any size, as in requests of one token. */
export function sizesOf(entries: readonly Entry[], { requests }: Plan): (entry: Entry) => Size {
  const sharing = new Map<string, number>();
  for (const way of entries.map(wayOf)) sharing.set(way, (sharing.get(way) ?? 0) + 1);
  return (entry) => {
    const each = eachOf(entry);
    const warm = Math.ceil(WARM[entry.kind] / (sharing.get(wayOf(entry)) ?? 1) / each);
    return { requests: each === 1 ? requests : Math.ceil((requests * 2) / each), warm, each };
  };
}

/** Returns the tokens that a part of a race takes. */
export const tokensIn = ({ requests, warm, each }: Size, { rounds }: Plan): number => (requests * rounds + warm) * each;
