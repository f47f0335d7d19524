/** Milliseconds between two turns of a wheel: an entry expires up to this much later than it asked for. */
const TICK = 25;

/** The number of slots; an entry that is due later than one revolution (12.8 s) is passed over until it is due. */
const SLOTS = 512;

/** Something with a time limit in a {@link TimerWheel}. It is in one wheel at most, and there once. */
export abstract class Timed {
  /** The wheel's own: when the entry is due, and its neighbours in a slot; itself if it is in none. */
  due = 0;
  next: Timed = this;
  previous: Timed = this;

  /** Called once the time has passed, after the input that arrived meanwhile. The entry is out of the wheel, and may go in again. */
  abstract expire(): void;
}

/** The two ends of a slot's list. */
class Slot extends Timed {
  override expire(): void {}
}

function unlink(entry: Timed): void {
  entry.previous.next = entry.next;
  entry.next.previous = entry.previous;
  entry.next = entry;
  entry.previous = entry;
}

function link(slot: Timed, entry: Timed): void {
  entry.previous = slot.previous;
  entry.next = slot;
  slot.previous.next = entry;
  slot.previous = entry;
}

/**
 * One timer for many time limits, each of which costs a few assignments to start and to stop. While the wheel is empty
 * there is no timer, and none keeps the process alive.
 *
 * After this process was paused (a suspended machine, a long garbage collection), timers run before the input that arrived
 * meanwhile is read. So entries expire one turn of the event loop later.
 */
export class TimerWheel {
  readonly #now: () => number;
  readonly #slots = Array.from({ length: SLOTS }, () => new Slot());
  #timer: NodeJS.Timeout | undefined;
  #size = 0;
  /** The last tick whose slot was looked at. */
  #last = 0;

  /** @param now milliseconds of a clock that never goes back (default: the process's) */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The number of entries. */
  get size(): number {
    return this.#size;
  }

  /** Adds an entry that is in no wheel. @param millis until it expires, at least; below 0 counts as 0 */
  add(entry: Timed, millis: number): void {
    const now = this.#now();
    if (this.#timer === undefined) this.#start(now);
    entry.due = now + Math.max(0, millis);
    // A slot that was looked at in this tick is not looked at again before the next revolution.
    const tick = Math.max(Math.ceil(entry.due / TICK), this.#last + 1);
    link(this.#slots[tick % SLOTS] as Slot, entry);
    this.#size++;
  }

  /** Takes an entry out, if it is in. */
  remove(entry: Timed): void {
    if (entry.next === entry) return;
    unlink(entry);
    this.#size--;
  }

  /** Expires the entries that are due; the wheel's own timer calls it. */
  turn(): void {
    const now = this.#now();
    const tick = Math.floor(now / TICK);
    const first = Math.max(this.#last + 1, tick - SLOTS + 1);
    this.#last = Math.max(this.#last, tick);
    for (let at = first; at <= tick; at++) this.#expire(this.#slots[at % SLOTS] as Slot, now);
    if (this.#size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  /** Expires what is due in a slot. Whatever expires may add and remove entries, in this slot as well. */
  #expire(slot: Slot, now: number): void {
    const looked = new Slot();
    for (let entry = slot.next; entry !== slot; entry = slot.next) {
      unlink(entry);
      link(looked, entry);
    }
    for (let entry = looked.next; entry !== looked; entry = looked.next) {
      unlink(entry);
      if (entry.due > now) {
        link(slot, entry);
      } else {
        this.#size--;
        entry.expire();
      }
    }
  }

  #start(now: number): void {
    this.#last = Math.floor(now / TICK);
    this.#timer = setInterval(() => setImmediate(() => this.turn()), TICK).unref();
  }
}
