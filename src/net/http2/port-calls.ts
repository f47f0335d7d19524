import type { TimerWheel } from "../../util/timer-wheel.js";
import type { CallTimeouts } from "./call-bounds.js";
import type { Quota } from "./quota.js";

/** Called when a call has ended, whatever its method. @param code its gRPC status code */
export type OnCallEnd = (path: string, code: number) => void;

/** What the calls of a port share. */
export interface PortCalls {
  readonly timeouts: CallTimeouts;
  /** Bytes of one message, unpacked. */
  readonly message: number;
  /** Memory of calls that are incomplete, stay open, or whose answers the clients have not taken. */
  readonly memory: Quota;
  readonly timers: TimerWheel;
  readonly onCallEnd: OnCallEnd | undefined;
  /** The number of open calls. */
  open: number;
}
