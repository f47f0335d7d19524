// Preloaded into each measured server: tells, when asked, how much CPU its process has used, how late its event loop came
// round at worst since it was last asked, and what memory it holds.
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
// A benchmark that has ended, in whatever way, leaves no server behind.
process.on("disconnect", () => process.exit());
