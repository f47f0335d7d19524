const HEAD = 5;

/**
 * Follows the messages of a call (the gRPC protocol's Length-Prefixed-Message).
 *
 * @returns takes each chunk of a call's data, in order; says how many bytes have come by then of a message that is not whole
 */
export function unfinishedBytes(): (chunk: Buffer) => number {
  const head = Buffer.alloc(HEAD);
  let bytes = 0;
  let left = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      if (bytes < HEAD) {
        head[bytes++] = chunk[at++] ?? 0;
        if (bytes < HEAD) continue;
        left = head.readUInt32BE(1);
      } else {
        const step = Math.min(left, chunk.length - at);
        at += step;
        left -= step;
        bytes += step;
      }
      if (left === 0) bytes = 0;
    }
    return bytes;
  };
}
