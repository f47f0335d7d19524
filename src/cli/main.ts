#!/usr/bin/env node
// Imports nothing before the check: an older Node would crash in the native SQLite module instead of explaining itself.
const OLDEST = { major: 22, minor: 19 };

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)) {
  const { main } = await import("./run.js");
  await main();
} else {
  const message = `token-verifier needs Node.js ${OLDEST.major}.${OLDEST.minor} or later; this is Node.js ${process.versions.node}. In a checkout of the project, run \`node_modules/.bin/node dist/src/cli/main.js\`.`;
  const text = process.argv.includes("--json") ? JSON.stringify({ error: { code: "NODE_TOO_OLD", message } }) : message;
  process.stderr.write(`${text}\n`);
  process.exitCode = 2;
}
