// npm run pack:client [-- FOLDER]: packs the Node client as a separate package, token-verifier-client-VERSION.tgz, into
// FOLDER (default: the root of this repository). The packed files stay in dist-client/.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.join(import.meta.dirname, "..");
const OUTPUT = path.join(ROOT, "dist-client");
const target = path.resolve(process.argv[2] ?? ROOT);

const server = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));

/** A range from the version that the tests ran with to the next major version, so that a program can share its own copy. */
const compatible = (name) => [name, `^${server.dependencies[name]}`];

const client = {
  name: "token-verifier-client",
  version: server.version,
  description: "Node client of Token Verifier: asks the service whether a token is good, whose it is, and if not, why.",
  license: server.license,
  type: server.type,
  engines: server.engines,
  exports: {
    ".": { types: "./dist/src/client/index.d.ts", default: "./dist/src/client/index.js" },
    "./package.json": "./package.json",
  },
  files: ["dist"],
  dependencies: Object.fromEntries(["@bufbuild/protobuf", "@grpc/grpc-js"].map(compatible)),
};

rmSync(OUTPUT, { recursive: true, force: true });
mkdirSync(OUTPUT);
writeFileSync(path.join(OUTPUT, "package.json"), `${JSON.stringify(client, undefined, 2)}\n`);
copyFileSync(path.join(ROOT, "LICENSE"), path.join(OUTPUT, "LICENSE"));
copyFileSync(path.join(ROOT, "src/client/README.md"), path.join(OUTPUT, "README.md"));
const run = (command, ...args) => execFileSync(command, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
run(process.execPath, "node_modules/typescript/bin/tsc", "-p", "tsconfig.client.json");
run("npm", "pack", "--silent", "--pack-destination", target, "./dist-client");
