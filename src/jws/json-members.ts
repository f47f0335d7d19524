const ZERO = 0x30;
const NINE = 0x39;

/** An object as it is read. */
export type Members = Record<string, unknown>;

/** Members that {@link OutermostObject} has room for, as V8 counts: twice the assignments in its constructor. */
const ROOM = 16;

/**
 * Makes an object like `{}` that has room for 16 members from the start. V8 gives `{}` room for 4, makes more room at every
 * third member after these, and turns it into a hash table at the 20th, which costs three times as much.
 */
export const OutermostObject = outermostObject();

function outermostObject(): new () => Members {
  function Outermost(this: Members, never?: true): void {
    if (never) this["a"] = this["b"] = this["c"] = this["d"] = this["e"] = this["f"] = this["g"] = this["h"] = never;
  }
  Outermost.prototype = Object.prototype;
  const Constructor = Outermost as unknown as new () => Members;
  // V8 takes back the room that none of the first objects uses.
  for (let n = 0; n < 10; n++) {
    const object = new Constructor();
    for (let member = 0; member < ROOM; member++) object[`m${member}`] = null;
  }
  return Constructor;
}

/**
 * Adds a member, also one that is named `__proto__`.
 *
 * @param mayReplace whether a member of this name may be there already, and is replaced
 * @returns false if one is there that may not be replaced
 */
export function addMember(object: Members, name: string, value: unknown, mayReplace: boolean): boolean {
  const first = name.charCodeAt(0);
  const writable = !(first >= ZERO && first <= NINE);
  // No JSON value is undefined: a name that has a value is a duplicate, or a prototype has it.
  const isNew = object[name] === undefined;
  if (isNew && writable) {
    object[name] = value;
    return true;
  }
  if (!isNew && !mayReplace && Object.hasOwn(object, name)) return false;
  // Assigning to `__proto__` would set the prototype. Assigning to an array index reserves room for all indices below
  // and for half as many above: 12 KB for {"1000":0}. V8 reserves none for a member that is not writable.
  Object.defineProperty(object, name, { value, writable, enumerable: true, configurable: true });
  return true;
}
