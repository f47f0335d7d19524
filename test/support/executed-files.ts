import { Session } from "node:inspector/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Runs some work and lists the files of src whose functions it called, sorted, as V8's own count of calls has them.
 * Other work in the process at the same time counts too.
 */
export async function executedFiles(work: () => Promise<unknown>): Promise<readonly string[]> {
  const session = new Session();
  session.connect();
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
    await session.post("Profiler.takePreciseCoverage");
    await work();
    const { result } = await session.post("Profiler.takePreciseCoverage");
    return result
      .filter(({ url, functions }) => url.startsWith("file://") && functions.some(isCalled))
      .map(({ url }) => relative(ROOT, fileURLToPath(url)))
      .filter((file) => /^src[/\\]/.test(file))
      .sort();
  } finally {
    session.disconnect();
  }
}

/** A file's own code counts as the function without a name that begins at 0: it runs when the file is loaded. */
function isCalled({ functionName, ranges }: CalledFunction): boolean {
  return ranges.some(({ startOffset, count }) => count > 0 && !(functionName === "" && startOffset === 0));
}

interface CalledFunction {
  readonly functionName: string;
  readonly ranges: readonly { readonly startOffset: number; readonly count: number }[];
}
