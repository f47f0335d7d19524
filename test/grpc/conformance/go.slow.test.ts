import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Program, startProgram } from "./programs.js";
import { describeRows } from "./run.js";

// The table of rows.yaml with grpc-go.

const SOURCE = fileURLToPath(new URL("./client.go", import.meta.url));
/** Where Debian's packages of Go libraries are. */
const LIBRARIES = "/usr/share/gocode";
const version = spawnSync("go", ["version"], { encoding: "utf8" });
const isReady = version.status === 0 && existsSync(join(LIBRARIES, "src/google.golang.org/grpc"));
const title = "unary gRPC, as grpc-go sees it";

/** Compiles the program, unless an earlier run has. @returns its path */
function compile(): string {
  const key = createHash("sha256").update(readFileSync(SOURCE)).update(version.stdout).digest("hex").slice(0, 16);
  const folder = join(tmpdir(), "token-verifier-go");
  const program = join(folder, key);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  const made = `${program}.${process.pid}`;
  // Debian's Go packages are no modules, and nothing is downloaded.
  const env = { ...process.env, GO111MODULE: "off", GOPATH: LIBRARIES, GOFLAGS: "", GOCACHE: join(folder, "cache") };
  execFileSync("go", ["build", "-o", made, SOURCE], { env, stdio: ["ignore", "ignore", "inherit"] });
  renameSync(made, program);
  return program;
}

(isReady ? describe : describe.skip)(
  isReady ? title : `${title} (skipped: Debian's golang-go and golang-google-grpc-dev are not installed)`,
  () => {
    let program: Program;
    before(function () {
      this.timeout(300_000);
      program = startProgram(compile(), []);
    });
    after(() => program?.end());
    describeRows("go", (...args) => program.call(...args));
  },
);
