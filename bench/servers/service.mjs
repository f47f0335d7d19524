// The service as it is shipped: the built tree, and a configuration given by its file's name.
import { pino } from "pino";

// Built just before the benchmark runs.
const { serve } = await import(new URL("../../dist/src/server/serve.js", import.meta.url).href);
const log = pino({ level: "silent" });
const running = await serve(process.argv[2], undefined, { env: process.env, clock: Date.now, log });
process.send?.({ addresses: running.addresses });
