// The service as shipped: the built tree, with the configuration file named in the arguments.
import { pino } from "pino";

// The tree is built just before the benchmark runs.
const { serve } = await import(new URL("../../dist/src/server/serve.js", import.meta.url).href);
const log = pino({ level: "silent" });
const running = await serve(process.argv[2], undefined, { env: process.env, clock: Date.now, log });
process.send?.({ addresses: running.addresses });
