/** Where a text stops being JSON. The engine's own messages differ from version to version, and often name no place. */

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
    const end = afterSpace(text, valueEnd(text, 0))
    if (end === text.length) return null
    throw new Fault(end, 'the end')
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault
    const before = text.slice(0, fault.at).split('\n')
    const [found] = /^[\w.+-]+|^./su.exec(text.slice(fault.at)) ?? []
    const what = found === undefined ? 'the end of the text' : JSON.stringify(found)
    return `${before.length}:${(before.at(-1) ?? '').length + 1}: expected ${fault.expected}, found ${what}`
  }
}

const space = /[ \t\n\r]*/y
const string = /"(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/uy
const scalar = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y

const endOf = (pattern: RegExp, text: string, at: number): number | null => {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : null
}
const afterSpace = (text: string, at: number): number => endOf(space, text, at) ?? at

const valueEnd = (text: string, from: number): number => {
  const at = afterSpace(text, from)
  if (text[at] === '{') return listEnd(text, at, '}', memberEnd)
  if (text[at] === '[') return listEnd(text, at, ']', valueEnd)
  return endOf(scalar, text, at) ?? stringEnd(text, at, 'a value')
}

const stringEnd = (text: string, at: number, what: string): number => {
  const end = endOf(string, text, at)
  if (end === null)
    throw new Fault(at, text[at] === '"' ? 'a text that ends on its line, escapes as JSON has them' : what)
  return end
}

const memberEnd = (text: string, from: number): number => {
  const colon = afterSpace(text, stringEnd(text, afterSpace(text, from), 'a name in double quotes'))
  if (text[colon] !== ':') throw new Fault(colon, '":"')
  return valueEnd(text, colon + 1)
}

/** @param from place of the opening bracket */
const listEnd = (
  text: string,
  from: number,
  close: string,
  itemEnd: (text: string, from: number) => number,
): number => {
  const first = afterSpace(text, from + 1)
  if (text[first] === close) return first + 1
  for (let at = itemEnd(text, first); ; ) {
    const next = afterSpace(text, at)
    if (text[next] === close) return next + 1
    if (text[next] !== ',') throw new Fault(next, `"," or "${close}"`)
    at = itemEnd(text, next + 1)
  }
}
