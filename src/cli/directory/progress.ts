/** Where progress is shown. */
interface Output {
  readonly isTTY?: boolean;
  write(text: string): boolean;
}

const WIDTH = 30;
/** Milliseconds between two lines, where there is no terminal; short work says nothing there. */
const LINE_INTERVAL = 5_000;
const BAR_INTERVAL = 100;

/**
 * Passes bytes on and shows how many have passed: as a bar on a terminal, else as a line now and then. The bar stays for
 * what is done with them; {@link endProgress} makes room for what is said next.
 *
 * @param total bytes that are to come, where that is known
 */
export async function* showProgress(
  bytes: AsyncIterable<Uint8Array>,
  total: number | undefined,
  output: Output,
): AsyncGenerator<Uint8Array> {
  const isTerminal = output.isTTY === true;
  const interval = isTerminal ? BAR_INTERVAL : LINE_INTERVAL;
  let passed = 0;
  let shownAt = performance.now();
  for await (const chunk of bytes) {
    yield chunk;
    passed += chunk.length;
    if (performance.now() - shownAt < interval) continue;
    shownAt = performance.now();
    output.write(isTerminal ? `\r${bar(passed, total)}` : `${amount(passed, total)}\n`);
  }
  if (isTerminal) output.write(`\r${bar(passed, total)}; working on the store`);
}

/** Takes the bar away, where there may be one: all is done, or nothing will be. */
export function endProgress(output: Output): void {
  if (output.isTTY === true) output.write("\r\u001b[K");
}

function amount(passed: number, total: number | undefined): string {
  const read = `read ${(passed / 1_048_576).toFixed(1)} MiB`;
  return total === undefined || total === 0 ? read : `${read}, ${Math.floor((passed / total) * 100)} %`;
}

function bar(passed: number, total: number | undefined): string {
  if (total === undefined || total === 0) return amount(passed, total);
  const filled = Math.min(WIDTH, Math.round((passed / total) * WIDTH));
  return `[${"#".repeat(filled)}${" ".repeat(WIDTH - filled)}] ${amount(passed, total)}`;
}
