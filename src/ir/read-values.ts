/** Reads the small parts of graph text from tokens: names, types, lists, values of attributes. */
import { syntaxError, tokenize, type Token, type TokenKind } from './lex.ts'
import { dtypes, type DType, type Graph, type Type } from './types.ts'

export abstract class ValueReader {
  readonly source: string
  readonly #tokens: readonly Token[]
  #at = 0
  /** The number of open lists and regions. */
  protected depth = 0

  constructor(source: string) {
    this.source = source
    this.#tokens = tokenize(source)
  }

  /** Reads the body of a region, which is the value of an attribute. */
  protected abstract body(): Graph

  peek(): Token {
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)] as Token // the last token is always 'end'
  }

  expect(kind: TokenKind, text?: string): Token {
    const token = this.peek()
    if (token.kind !== kind || (text !== undefined && token.text !== text)) {
      throw syntaxError(
        this.source,
        token.at,
        `expected ${text === undefined ? kindNames[kind] : `"${text}"`}, found ${token.kind === 'end' ? token.text : JSON.stringify(token.text)}`,
      )
    }
    this.#at++
    return token
  }

  accept(text: string): boolean {
    const token = this.peek()
    if ((token.kind !== 'mark' && token.kind !== 'word') || token.text !== text) return false
    this.#at++
    return true
  }

  type(): Type {
    const name = this.expect('word')
    const dtype = dtypes.find((d): d is DType => d === name.text)
    if (dtype === undefined)
      throw syntaxError(this.source, name.at, `there is no element type "${name.text}"; there are ${dtypes.join(', ')}`)
    const shape = this.list('[', ']', () => {
      const token = this.expect('number')
      const size = Number(token.text)
      if (!Number.isSafeInteger(size) || size < 1)
        throw syntaxError(this.source, token.at, `a size must be a positive integer, got ${token.text}`)
      return size
    })
    return { dtype, shape }
  }

  record(): { readonly [name: string]: unknown } {
    const record: { [name: string]: unknown } = Object.create(null) // so that __proto__ is an ordinary key
    for (const [key, value, at] of this.list('{', '}', () => {
      const at = this.peek().at
      const key = this.word()
      this.expect('mark', '=')
      return [key, this.#value(), at] as const
    })) {
      if (key in record) throw syntaxError(this.source, at, `"${key}" is given twice`)
      record[key] = value
    }
    return record
  }

  #value(): unknown {
    const token = this.peek()
    if (token.kind === 'mark' && token.text === '[') return this.list('[', ']', () => this.#value())
    if (token.kind === 'mark' && token.text === '{') return this.record()
    if (token.kind === 'mark' && token.text === '(') return this.body()
    this.#at++
    if (token.kind === 'number') return token.text === '-inf' ? -Infinity : Number(token.text)
    if (token.kind === 'string') return token.text
    if (token.kind === 'hash') return { sha256: token.text }
    if (token.kind === 'word' && Object.hasOwn(literals, token.text)) return literals[token.text]
    throw syntaxError(this.source, token.at, `expected a value, found ${JSON.stringify(token.text)}`)
  }

  list<T>(open: string, close: string, item: () => T): readonly T[] {
    if (this.depth++ > 256) throw syntaxError(this.source, this.peek().at, 'nested too deep')
    this.expect('mark', open)
    const items: T[] = []
    if (!this.accept(close)) {
      do items.push(item())
      while (this.accept(','))
      this.expect('mark', close)
    }
    this.depth--
    return items
  }

  word(): string {
    return this.peek().kind === 'string' ? this.expect('string').text : this.expect('word').text
  }
}

const literals: { readonly [word: string]: unknown } = {
  true: true,
  false: false,
  null: null,
  nan: Number.NaN,
  inf: Infinity,
}
const kindNames: { readonly [K in TokenKind]: string } = {
  word: 'a name',
  value: 'a value (%name)',
  string: 'a string',
  number: 'a number',
  hash: 'a hash',
  path: 'a path',
  mark: 'a mark',
  end: 'the end of the text',
}
