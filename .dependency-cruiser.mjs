// The import rule of the house: every folder of src stands on those before it in this list and knows nothing of those
// after it. `npm run lint` (scripts/check-imports.mjs) holds the code to it, imports of types included.
const FOLDERS = [
  "jws",
  "contract",
  "net",
  "keys",
  "directory",
  "verifier",
  "service",
  "vendors",
  "gateway",
  "client",
  "config",
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
    `src/${name} knows nothing of the floors above it.`,
    { path: folder(name) },
    { path: folder(...FOLDERS.slice(i + 1)) },
  ),
);

export default {
  forbidden: [
    ...order,

    never(
      "known-folder",
      "Each file of src stands in a folder that the list above orders.",
      { path: "^(src|test|bench|scripts)/" },
      { path: "^src/", pathNot: folder(...FOLDERS) },
    ),
    never(
      "in-known-folder",
      "Each file of src stands in a folder that the list above orders.",
      { path: "^src/", pathNot: folder(...FOLDERS) },
      {},
    ),
    never(
      "gen-alone",
      "What is generated imports only what is generated.",
      { path: "^gen/" },
      { path: "^(src|test)/" },
    ),
    never("jws-alone", "src/jws imports no other folder.", { path: folder("jws") }, { path: "^(gen|src/(?!jws/))" }),
    never(
      "contract-on-gen",
      "src/contract stands on gen alone.",
      { path: folder("contract") },
      { path: folder("jws") },
    ),
    never(
      "verifier-pure",
      "The core decides; it knows nothing of gRPC, HTTP or express.",
      { path: folder("verifier") },
      {
        path: [builtin("http", "https", "http2", "net", "tls"), npm("@grpc", "grpc-health-check", "express")],
      },
    ),
    never(
      "core-apart-from-sockets",
      "Who decides or remembers has nothing to do with the connections that questions come by.",
      { path: folder("keys", "directory", "verifier", "vendors") },
      { path: folder("net") },
    ),
    never(
      "faces-apart-from-core",
      "The service and the gateway know the core as the Verifier interface of src/contract.",
      { path: folder("service", "gateway") },
      { path: folder("keys", "directory", "verifier") },
    ),
    never(
      "client-thin",
      "A program that asks us carries the contract, what connections need, and nothing else of ours.",
      { path: folder("client") },
      { path: "^src/", pathNot: folder("client", "contract", "net") },
    ),
    never(
      "express-in-one-file",
      "Only src/http/app.ts knows express.",
      { path: "^src/", pathNot: "^src/gateway/app\\.ts$" },
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
