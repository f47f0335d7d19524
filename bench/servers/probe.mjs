// Preloaded into each measured server: reports on request the CPU time of its process, the longest delay of its event loop
// since the last report, and its memory.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { writeHeapSnapshot } from "node:v8";

const delay = monitorEventLoopDelay({ resolution: 1 });
const ANSWERS = {
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
process.on("message", ([question, ...args]) => process.send?.(ANSWERS[question]?.(...args)));
// The server ends with its benchmark, however that ends.
process.on("disconnect", () => process.exit());
