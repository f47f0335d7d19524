// The import rule of the house: a folder of src imports only from the folders before it in this list, types included.
const FOLDERS = [
  "util",
  "jws",
  "contract",
  "wire",
  "keys",
  "directory",
  "verifier",
  "vendors",
  "protocols",
  "net",
  "http",
  "grpc",
  "client",
  "config",
  "observability",
  "server",
  "cli",
];

const anyOf = (names) => `(${names.join("|")})`;
const folder = (...names) => `^src/${anyOf(names)}/`;
const builtin = (...names) => `^(node:)?${anyOf(names)}(/|$)`;
const npm = (...names) => `^node_modules/(@types/)?${anyOf(names)}(/|$)`;

const never = (name, comment, from, to) => ({ name, comment, severity: "error", from, to });

const order = FOLDERS.slice(0, -1).map((name, i) =>
  never(
    `${name}-below-${FOLDERS[i + 1]}`,
    `src/${name} is imported by the folders after it, and imports none of them.`,
    { path: folder(name) },
    { path: folder(...FOLDERS.slice(i + 1)) },
  ),
);

export default {
  forbidden: [
    ...order,

    never(
      "known-folder",
      "Each file of src is in a folder of the list above.",
      { path: "^(src|test|bench|scripts)/" },
      { path: "^src/", pathNot: folder(...FOLDERS) },
    ),
    never(
      "in-known-folder",
      "Each file of src is in a folder of the list above.",
      { path: "^src/", pathNot: folder(...FOLDERS) },
      {},
    ),
    never(
      "gen-alone",
      "What is generated imports only what is generated.",
      { path: "^gen/" },
      { path: "^(src|test)/" },
    ),
    never(
      "core-apart-from-wire",
      "What decides or remembers knows nothing of protobuf, gRPC or express, not even through another file.",
      { path: folder("util", "jws", "contract", "keys", "directory", "verifier") },
      {
        path: [npm("@grpc", "@bufbuild", "grpc-health-check", "express", "express-serve-static-core"), "^gen/"],
        reachable: true,
      },
    ),
    never(
      "verifier-without-sockets",
      "The verifier decides; it opens no connection.",
      { path: folder("verifier") },
      { path: builtin("http", "https", "http2", "net", "tls") },
    ),
    never(
      "core-apart-from-net",
      "What decides or remembers has nothing to do with the connections that calls come by.",
      { path: folder("keys", "directory", "verifier", "vendors") },
      { path: folder("net") },
    ),
    never(
      "transports-apart-from-core",
      "gRPC and HTTP know the core as the Verifier interface of src/contract.",
      { path: folder("grpc", "http"), pathNot: "^src/grpc/admin/" },
      { path: folder("keys", "directory", "verifier") },
    ),
    never(
      "operators-apart-from-verifier",
      "The operators' services are about the directory, and know nothing of how tokens are verified.",
      { path: "^src/grpc/admin/" },
      { path: folder("keys", "verifier") },
    ),
    never(
      "client-thin",
      "A program that calls the service carries the contract, its wire forms and connections, and nothing else of src.",
      { path: folder("client") },
      { path: "^src/", pathNot: folder("client", "util", "contract", "wire", "net") },
    ),
    never(
      "sqlite-in-one-folder",
      "Only src/directory/sqlite knows better-sqlite3.",
      { path: "^(src|gen)/", pathNot: "^src/directory/sqlite/" },
      { path: npm("better-sqlite3") },
    ),
    never(
      "engine-behind-directory",
      "A store is known as the Directory interface; src/directory/stores.ts opens it, whichever engine it has.",
      { path: "^(src|gen)/", pathNot: "^src/directory/(sqlite/|stores\\.ts$)" },
      { path: "^src/directory/sqlite/" },
    ),
    never(
      "express-in-one-file",
      "Only src/http/router.ts knows express.",
      { path: "^src/", pathNot: "^src/http/router\\.ts$" },
      { path: npm("express", "express-serve-static-core") },
    ),
    never(
      "no-circular",
      "No import comes back to where it started.",
      { path: "^(src|gen|test|bench|scripts)/" },
      { circular: true },
    ),
    never(
      "src-alone",
      "What is shipped imports no test, bench or script.",
      { path: "^(src|gen)/" },
      { path: "^(test|bench|scripts|\\.ci)/" },
    ),
    never(
      "src-no-dev-dependency",
      "What is shipped imports only what package.json lists as a dependency.",
      { path: "^(src|gen)/" },
      { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], pathNot: "^node_modules/@types/" },
    ),
    never("resolvable", "Each import leads to a file.", {}, { couldNotResolve: true }),
  ],
  options: {
    doNotFollow: { path: "^node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    parser: "swc",
    detectProcessBuiltinModuleCalls: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
