import { handWritten, nodeHttp2 } from "./frames.js";
import { connect, grpcJs } from "./libraries.js";
import { describeRows } from "./run.js";

// The table of rows.yaml with the clients that npm has. Python's and Go's are in slow tests beside this one.

describe("unary gRPC, as grpc-js sees it", () => describeRows("grpc-js", grpcJs));
describe("unary gRPC, as Connect sees it", () => describeRows("connect", connect));
describe("unary gRPC, as Node's HTTP/2 client sees it", () => describeRows("http2", nodeHttp2));
describe("unary gRPC, in frames written by hand", () => describeRows("frames", handWritten));
