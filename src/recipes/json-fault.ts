/** Finds the place of a syntax error in JSON. The engine's own messages differ between versions and often name no place. */

class Fault {
  readonly at: number
  readonly expected: string
  constructor(at: number, expected: string) {
    this.at = at
    this.expected = expected
  }
}

/** `3:13: expected a value, found "two"`; null for a text that is JSON. */
export const jsonFault = (text: string): string | null => {
  try {
    const end = afterSpace(text, valueEnd(text, 0, 0))
    if (end === text.length) return null
    throw new Fault(end, 'the end')
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault
    const before = text.slice(0, fault.at).split('\n')
    const [found] = /^[\w.+-]+|^./su.exec(text.slice(fault.at, fault.at + 60)) ?? []
    const what = found === undefined ? 'the end of the text' : JSON.stringify(found)
    return `${before.length}:${(before.at(-1) ?? '').length + 1}: expected ${fault.expected}, found ${what}`
  }
}

const space = /[ \t\n\r]*/y
/** Matches characters up to the next quote or escape. One pattern for whole strings would overflow the engine's stack. */
const letters = /[^"\\\p{Cc}]*/uy
const escapeOrControl = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})|[\u007f-\u009f]/y
const scalar = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y

const endOf = (pattern: RegExp, text: string, at: number): number | null => {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : null
}
const afterSpace = (text: string, at: number): number => endOf(space, text, at) ?? at

/** Limits nested brackets, so that the recursion cannot overflow the stack. No settings need so many. */
const depthMax = 500

const valueEnd = (text: string, from: number, depth: number): number => {
  const at = afterSpace(text, from)
  if (depth > depthMax) throw new Fault(at, `at most ${depthMax} nested brackets`)
  if (text[at] === '{') return listEnd(text, at, '}', memberEnd, depth)
  if (text[at] === '[') return listEnd(text, at, ']', valueEnd, depth)
  return endOf(scalar, text, at) ?? stringEnd(text, at, 'a value')
}

const stringEnd = (text: string, from: number, what: string): number => {
  if (text[from] !== '"') throw new Fault(from, what)
  for (let at = from + 1; ; ) {
    at = endOf(letters, text, at) ?? at
    if (text[at] === '"') return at + 1
    const end = endOf(escapeOrControl, text, at)
    if (end === null) throw new Fault(from, 'a text that ends on its line, with valid escapes')
    at = end
  }
}

const memberEnd = (text: string, from: number, depth: number): number => {
  const colon = afterSpace(text, stringEnd(text, afterSpace(text, from), 'a name in double quotes'))
  if (text[colon] !== ':') throw new Fault(colon, '":"')
  return valueEnd(text, colon + 1, depth)
}

/** @param from index of the opening bracket */
const listEnd = (
  text: string,
  from: number,
  close: string,
  itemEnd: (text: string, from: number, depth: number) => number,
  depth: number,
): number => {
  const first = afterSpace(text, from + 1)
  if (text[first] === close) return first + 1
  for (let at = itemEnd(text, first, depth + 1); ; ) {
    const next = afterSpace(text, at)
    if (text[next] === close) return next + 1
    if (text[next] !== ',') throw new Fault(next, `"," or "${close}"`)
    at = itemEnd(text, next + 1, depth + 1)
  }
}
