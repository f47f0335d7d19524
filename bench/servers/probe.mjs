// Preloaded into each measured server: reports on request the CPU time of its process, the longest delay of its event loop
// since the last report, its memory, and a profile of its CPU.
import { Session } from "node:inspector/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { writeHeapSnapshot } from "node:v8";

const delay = monitorEventLoopDelay({ resolution: 1 });
const session = new Session();
const ANSWERS = {
  async profile() {
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: 250 });
    await session.post("Profiler.start");
    return true;
  },
  async profiled() {
    const { profile } = await session.post("Profiler.stop");
    session.disconnect();
    return profile;
  },
  cpu: () => process.cpuUsage(),
  delay() {
    delay.enable();
    const worst = delay.max / 1e6;
    delay.reset();
    return worst;
  },
  memory() {
    const { rss } = process.memoryUsage();
    globalThis.gc();
    return { ...process.memoryUsage(), rss };
  },
  snapshot: (file) => writeHeapSnapshot(file),
};
const answer = async (question, args) => process.send?.(await ANSWERS[question]?.(...args));
process.on("message", ([question, ...args]) => void answer(question, args));
// The server ends with its benchmark, however that ends.
process.on("disconnect", () => process.exit());
