const waiting: (() => void)[] = [];

/**
 * Waits for a later turn of the event loop, after sockets were read. Each turn wakes one waiter, in the order in which they
 * came, so that many long tasks hold up other work no longer than one of them.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(wake);
  });
}

function wake(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(wake);
}
