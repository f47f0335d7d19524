import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Program, startProgram } from "./programs.js";
import { describeRows } from "./run.js";

// The table of rows.yaml with Python's grpcio.

const PYTHON = "/usr/bin/python3";
const isReady = spawnSync(PYTHON, ["-c", "import grpc"]).status === 0;
const title = "unary gRPC, as Python's grpcio sees it";

(isReady ? describe : describe.skip)(
  isReady ? title : `${title} (skipped: Debian's python3-grpcio is not installed)`,
  () => {
    let program: Program;
    before(() => {
      program = startProgram(PYTHON, [fileURLToPath(new URL("./client.py", import.meta.url))]);
    });
    after(() => program?.end());
    describeRows("python", (...args) => program.call(...args));
  },
);
