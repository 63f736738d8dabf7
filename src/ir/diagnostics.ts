/**
 * Errors as data. Analyses return Diagnostics; only functions of the public API throw an EffuseError.
 * `errorCodes` and docs/errors.md list every code (a test compares them).
 */
import { escapedLines } from './escaped.ts'
import type { NodeId } from './types.ts'

/** Code -> title. 1xx graphs, 2xx text, 3xx passes, 4xx running, 5xx files and weights, 6xx command line, 7xx training, 9xx effuse's own faults. */
export const errorCodes = {
  EF101: 'operands do not fit the op',
  EF102: 'an attribute is wrong',
  EF103: 'wrong number of operands',
  EF104: 'a value is used but not defined',
  EF105: 'the graph has a cycle',
  EF106: 'declared type differs from the inferred one',
  EF107: 'a name is used twice',
  EF108: 'an update does not fit its variable',
  EF109: 'op not allowed at this stage',
  EF110: 'a value belongs to another graph',
  EF111: 'a declaration is wrong',
  EF112: 'a graph put together by hand, without its side tables',
  EF201: 'syntax error in graph text',
  EF202: 'unknown op',
  EF203: 'unknown constant',
  EF301: 'unknown pass',
  EF302: 'wrong pass option',
  EF303: 'a pass broke the graph',
  EF304: 'rewrite rules do not end',
  EF305: 'composites have too many nodes',
  EF401: 'unknown or missing input',
  EF402: 'an input does not fit',
  EF403: 'unknown option',
  EF404: 'backend not available',
  EF405: 'op not supported by the backend',
  EF406: 'used after dispose',
  EF407: 'unknown variable',
  EF408: 'a variable does not fit',
  EF409: 'not enough memory',
  EF410: 'device lost',
  EF411: 'a run ended early',
  EF501: 'file cannot be read or written',
  EF502: 'not a file of weights',
  EF503: 'corrupt safetensors file',
  EF504: 'corrupt PyTorch checkpoint',
  EF505: 'weights do not fit the model',
  EF506: 'picture cannot be decoded',
  EF507: 'no pictures found',
  EF508: 'a run cannot be resumed',
  EF509: 'the file has changed since effuse wrote it',
  EF601: 'wrong command line',
  EF602: 'model not found',
  EF603: 'setup failed',
  EF701: 'data does not fit',
  EF702: 'a number is not finite',
  EF901: 'fault in effuse',
} as const
export type ErrorCode = keyof typeof errorCodes

export interface Diagnostic {
  readonly severity: 'error' | 'warning'
  readonly code: ErrorCode
  /** Model path, `stem/conv`; '' if there is none. */
  readonly path: string
  readonly node: NodeId | null
  /** What was expected and what was given. */
  readonly message: string
  readonly hint?: string | undefined
  readonly notes?: readonly string[] | undefined
}

export interface EffuseErrorInit {
  readonly code: ErrorCode
  readonly message: string
  readonly path?: string | undefined
  readonly hint?: string | undefined
  readonly diagnostics?: readonly Diagnostic[] | undefined
  readonly cause?: unknown
}

/**
 * The error that effuse throws. `message` says what was expected, what was given and where; `hint` says what to do. Control characters in both are
 * escaped.
 */
export class EffuseError extends Error {
  readonly code: ErrorCode
  readonly path: string | undefined
  readonly hint: string | undefined
  readonly diagnostics: readonly Diagnostic[]

  constructor(init: EffuseErrorInit) {
    super(escapedLines(init.message), init.cause === undefined ? undefined : { cause: init.cause })
    this.name = 'EffuseError'
    this.code = init.code
    this.path = init.path
    this.hint = init.hint === undefined ? undefined : escapedLines(init.hint)
    this.diagnostics = init.diagnostics ?? []
  }

  /** The page of the package and the section that explain the code: `node_modules/effuse/docs/errors.md#…`. */
  get url(): string {
    return `effuse/docs/errors.md#${this.code.toLowerCase()}`
  }
}

const shownMax = 200

/** Shows any value in a message: as JSON if it has some, else as a word; long texts are cut. Never throws. */
export const showGiven = (value: unknown): string => {
  const text = wordsFor(value)
  return text.length > shownMax ? `${text.slice(0, shownMax)}…` : text
}

const wordsFor = (value: unknown): string => {
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    return JSON.stringify(value) ?? 'an object'
  } catch {
    return 'an object' // circular, or with a bigint inside
  }
}

/** Throws EF901 if a condition that effuse itself must ensure does not hold. */
export function invariant(condition: boolean, message: () => string): asserts condition {
  if (condition) return
  throw new EffuseError({
    code: 'EF901',
    message: `bug in the compiler: ${message()}`,
    hint: 'please report it with the graph that shows it',
  })
}
