import { readFileSync } from "node:fs";
import { expect } from "chai";
import { handWritten, nodeHttp2 } from "./frames.js";
import { connect, grpcJs } from "./libraries.js";
import { describeRows } from "./run.js";

// The table of rows.yaml with the clients that npm has. Python's and Go's are in slow tests beside this one.

describe("unary gRPC, as grpc-js sees it", () => describeRows("grpc-js", grpcJs));
describe("unary gRPC, as Connect sees it", () => describeRows("connect", connect));
describe("unary gRPC, as Node's HTTP/2 client sees it", () => describeRows("http2", nodeHttp2));
describe("unary gRPC, in frames written by hand", () => describeRows("frames", handWritten));

it("the guide names the versions of the clients of npm that the table was run with", () => {
  const guide = readFileSync(new URL("../../../docs/guides/use-the-proto.md", import.meta.url), "utf8");
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  const { dependencies, devDependencies } = JSON.parse(text) as Record<string, Record<string, string>>;
  expect(guide).to.contain(`| @grpc/grpc-js | ${dependencies?.["@grpc/grpc-js"]} |`);
  const connectVersion = devDependencies?.["@connectrpc/connect-node"];
  expect(guide).to.contain(`| @connectrpc/connect-node, gRPC transport | ${connectVersion} |`);
});
