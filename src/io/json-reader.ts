/**
 * A strict JSON reader (RFC 8259) for headers of untrusted files.
 * JSON.parse hides faults there: of two equal keys it keeps the last, and it reads `1e3` and 0.9999999999999999999 as integers.
 * This reader returns objects as Maps, so that no key is special.
 */

export type JsonValue = null | boolean | string | JsonNumber | readonly JsonValue[] | JsonObject
export type JsonObject = ReadonlyMap<string, JsonValue>
/** A number as written in the text. The caller decides which numbers are allowed. */
export interface JsonNumber {
  readonly literal: string
}

/** A syntax error, with its index in the text. */
export class JsonError extends Error {
  readonly at: number

  constructor(message: string, at: number) {
    super(message)
    this.at = at
  }
}

/** Limits the recursion. No header needs more levels. */
const depthLimit = 16
/** Limits the memory, because two bytes of text, `0,`, become an object of fifty bytes. No header needs more values. */
const valueLimit = 4_000_000

const space = /[ \t\n\r]*/y
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const word = /true|false|null/y

/**
 * Reads one JSON value, with optional white space around it.
 *
 * @throws JsonError if the text is not JSON, has a key twice in one object, half of a surrogate pair, or too many levels or values.
 */
export const readJson = (text: string): JsonValue => {
  const reader = new Reader(text)
  const value = reader.value(0)
  reader.skipSpace()
  if (reader.at < text.length) reader.fail('only spaces may follow the closing brace')
  return value
}

class Reader {
  at = 0
  private count = 0
  private readonly text: string

  constructor(text: string) {
    this.text = text
  }

  fail(message: string, at = this.at): never {
    throw new JsonError(message, at)
  }

  skipSpace(): void {
    this.match(space)
  }

  /** Returns the text that the sticky pattern matches here, and skips it. */
  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)?.[0]
    if (found === undefined) return null
    this.at += found.length
    return found
  }

  value(depth: number): JsonValue {
    if (++this.count > valueLimit) this.fail('more than 4,000,000 values')
    if (depth > depthLimit) this.fail(`more than ${depthLimit} levels of brackets`)
    this.skipSpace()
    switch (this.text[this.at]) {
      case '{':
        return this.object(depth)
      case '[':
        return this.array(depth)
      case '"':
        return this.string()
      case undefined:
        return this.fail('the JSON ends too early')
    }
    const literal = this.match(number)
    if (literal !== null) return { literal }
    const found = this.match(word)
    if (found === null) this.fail('expected a JSON value')
    return found === 'null' ? null : found === 'true'
  }

  private object(depth: number): JsonObject {
    const entries = new Map<string, JsonValue>()
    this.sequence('}', () => {
      this.skipSpace()
      const keyAt = this.at
      if (this.text[keyAt] !== '"') this.fail('expected a key in double quotes')
      const key = this.string()
      if (entries.has(key)) this.fail(`the key ${JSON.stringify(key.slice(0, 60))} occurs twice in one object`, keyAt)
      this.skipSpace()
      if (this.text[this.at] !== ':') this.fail('expected a colon after the key')
      this.at++
      entries.set(key, this.value(depth + 1))
    })
    return entries
  }

  private array(depth: number): JsonValue[] {
    const items: JsonValue[] = []
    this.sequence(']', () => {
      items.push(this.value(depth + 1))
    })
    return items
  }

  /** Reads items separated by commas, from the opening bracket to the closing one. */
  private sequence(close: '}' | ']', item: () => void): void {
    this.at++
    this.skipSpace()
    if (this.text[this.at] === close) {
      this.at++
      return
    }
    for (;;) {
      item()
      this.skipSpace()
      const character = this.text[this.at]
      if (character === undefined) this.fail('the JSON ends too early')
      if (character !== ',' && character !== close) this.fail(`expected a comma or ${close}`)
      this.at++
      if (character === close) return
    }
  }

  private string(): string {
    const start = this.at
    let end = start + 1
    for (; end < this.text.length; end++) {
      const code = this.text.charCodeAt(end)
      if (code === 0x22) break
      if (code === 0x5c) end++ // a character after a backslash does not end the text
    }
    if (end >= this.text.length) this.fail('a text has no closing quote')
    let out: string
    try {
      // JSON.parse is strict for single texts; it hides only faults of keys and numbers.
      out = JSON.parse(this.text.slice(start, end + 1)) as string // it begins with a quote
    } catch {
      return this.fail('a text has a control character or an unknown escape')
    }
    // UTF-8 cannot encode half a surrogate pair, so such a name could not be written back.
    if (/\p{Surrogate}/u.test(out)) this.fail('a text has half of a surrogate pair')
    this.at = end + 1
    return out
  }
}
