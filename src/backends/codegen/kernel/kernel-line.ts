/** Reads one line of the text of a kernel from left to right. Spaces are ignored. */
import { EffuseError } from '../../../ir/diagnostics.ts'

const numbers = /^(-?Infinity|NaN|-?\d+(\.\d+)?(e[+-]?\d+)?)/

export class KernelLine {
  readonly #line: string
  readonly #number: number
  #at = 0

  constructor(line: string, number: number) {
    this.#line = line
    this.#number = number
  }

  /** @throws EffuseError EF201 */
  fail(expected: string): never {
    const rest = this.#rest()
    throw new EffuseError({
      code: 'EF201',
      message: `line ${this.#number} of a kernel: expected ${expected}, got ${rest === '' ? 'the end of the line' : JSON.stringify(rest)}`,
    })
  }

  isAt(pattern: RegExp): boolean {
    return pattern.test(this.#rest())
  }

  isAtDigit(): boolean {
    return this.isAt(/^\d/)
  }

  /** Consumes the text if it comes next. A word must also end there. */
  takes(text: string): boolean {
    const rest = this.#rest()
    const isCut = /(\w\w|\d)$/.test(text) && /^\w/.test(rest.slice(text.length))
    if (!rest.startsWith(text) || isCut) return false
    this.#skip(text.length)
    return true
  }

  /** Consumes two words if both come next. */
  takesBoth(first: string, second: string): boolean {
    const start = this.#at
    if (this.takes(first) && this.takes(second)) return true
    this.#at = start
    return false
  }

  need(text: string): void {
    if (!this.takes(text)) this.fail(JSON.stringify(text))
  }

  end(): void {
    if (this.#rest() !== '') this.fail('the end of the line')
  }

  oneOf<T extends string>(words: readonly T[]): T {
    return words.find((word) => this.takes(word)) ?? this.fail(`one of ${words.join(', ')}`)
  }

  /** Consumes one of these words and returns it; null if none comes next. */
  word(words: readonly string[]): string | null {
    const [found] = /^[a-zA-Z]\w*/.exec(this.#rest()) ?? []
    if (found === undefined || !words.includes(found)) return null
    this.#skip(found.length)
    return found
  }

  name(): string {
    return this.#matched(/^[a-zA-Z]\w*/, 'a name')
  }

  integer(): number {
    return Number(this.#matched(/^\d+/, 'an integer'))
  }

  number(): number {
    return Number(this.#matched(numbers, 'a number'))
  }

  /** Reads the number of an expression. */
  expr(): number {
    this.need('%')
    return this.integer()
  }

  text(): string {
    return JSON.parse(this.#matched(/^"(\\.|[^"\\])*"/, 'a text in quotes')) as string
  }

  /** Reads a string, a number or a boolean. */
  value(): string | number | boolean {
    if (this.isAt(/^"/)) return this.text()
    return this.takes('true') ? true : this.takes('false') ? false : this.number()
  }

  list<T>(open: string, close: string, item: () => T): readonly T[] {
    this.need(open)
    const items: T[] = []
    while (!this.takes(close)) {
      items.push(item())
      if (!this.takes(',') && !this.isAt(new RegExp(`^\\${close}`))) this.fail(`"," or "${close}"`)
    }
    return items
  }

  #rest(): string {
    return this.#line.slice(this.#at).trimStart()
  }

  #skip(length: number): void {
    this.#at = this.#line.length - this.#rest().length + length
  }

  #matched(pattern: RegExp, expected: string): string {
    const [found] = pattern.exec(this.#rest()) ?? []
    if (found === undefined) return this.fail(expected)
    this.#skip(found.length)
    return found
  }
}
