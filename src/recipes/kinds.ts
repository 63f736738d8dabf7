/** The kinds of settings as data. JSON files and command lines are checked by them, with the same messages. */
import { type Check, flag, isNames, isObject } from '../ir/check-record.ts'
import { isPowerOfTwo } from '../passes/train/loss-scale.ts'
import { isCropArea } from '../pixels/box.ts'

export type Kind =
  | { readonly kind: 'integer'; readonly least: number; readonly most?: number }
  | {
      readonly kind: 'number'
      readonly least?: number
      readonly above?: number
      readonly below?: number
      readonly most?: number
    }
  | { readonly kind: 'choice'; readonly of: readonly string[] }
  | { readonly kind: 'switch' | 'text' | 'texts' | 'numbers' | 'area' | 'lossScale' | 'object' }

/** The check for a kind. */
export const checkOf = (kind: Kind): Check => {
  switch (kind.kind) {
    case 'integer':
      return [
        kind.most === undefined
          ? `an integer of at least ${kind.least}`
          : `an integer from ${kind.least} to ${kind.most}`,
        (v) => Number.isSafeInteger(v) && Number(v) >= kind.least && Number(v) <= (kind.most ?? Infinity),
      ]
    case 'number':
      return [
        `a number${boundsWords(kind)}`,
        (v) =>
          typeof v === 'number' &&
          Number.isFinite(v) &&
          v >= (kind.least ?? -Infinity) &&
          v > (kind.above ?? -Infinity) &&
          v < (kind.below ?? Infinity) &&
          v <= (kind.most ?? Infinity),
      ]
    case 'choice':
      return [`one of ${kind.of.join(', ')}`, (v) => kind.of.some((name) => name === v)]
    case 'switch':
      return flag
    case 'text':
      return ['a text', (v) => typeof v === 'string' && v !== '']
    case 'texts':
      return ['a list of texts', isNames]
    case 'numbers':
      return [
        'a list of numbers of at least 0',
        (v) => Array.isArray(v) && v.every((x) => Number.isFinite(x) && x >= 0),
      ]
    case 'area':
      return ['two numbers above 0 and up to 1, the least and the greatest share', isCropArea]
    case 'lossScale':
      return [
        "'auto', 'dynamic', 'none' or a power of two",
        (v) => v === 'auto' || v === 'dynamic' || v === 'none' || isPowerOfTwo(v),
      ]
    case 'object':
      return ['an object', (v) => isObject(v) && !Array.isArray(v)]
  }
}

const boundsWords = (of: Extract<Kind, { readonly kind: 'number' }>): string => {
  const words = [
    of.least === undefined ? [] : `of at least ${of.least}`,
    of.above === undefined ? [] : `above ${of.above}`,
    of.below === undefined ? [] : `below ${of.below}`,
    of.most === undefined ? [] : `of at most ${of.most}`,
  ].flat()
  return words.length === 0 ? '' : ` ${words.join(' and ')}`
}

/** Is a value, for example of a JSON file, of the kind? */
export const isOfKind = (kind: Kind, value: unknown): boolean => checkOf(kind)[1](value)

/** The kind in words, for use after "must be". */
export const kindWords = (kind: Kind): string => checkOf(kind)[0]

/** Converts a word of a command line to a value. A word that is not of the kind becomes a value that `isOfKind` rejects. */
export const fromWord = (kind: Kind, word: string): unknown => {
  switch (kind.kind) {
    case 'integer':
      return /^\d+$/.test(word) ? Number(word) : word
    case 'number':
      return numberOf(word)
    case 'numbers':
    case 'area':
      return word.split(',').map(numberOf)
    case 'lossScale':
      return /^[\d.]/.test(word) ? numberOf(word) : word
    case 'texts':
      return [word]
    default:
      return word
  }
}

/** Number('') is 0 and Number('0x10') is 16, but neither is a number here. */
const numberOf = (word: string): number | string =>
  /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word) ? Number(word) : word
