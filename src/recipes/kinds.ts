/** What a setting takes, as data: checked in files of JSON and read from the words of a command line, with the same message. */

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

/** In words, after "must be". */
export const kindWords = (kind: Kind): string => {
  switch (kind.kind) {
    case 'integer':
      return kind.most === undefined
        ? `an integer of at least ${kind.least}`
        : `an integer from ${kind.least} to ${kind.most}`
    case 'number':
      return `a number${boundsWords(kind)}`
    case 'choice':
      return `one of ${kind.of.join(', ')}`
    case 'switch':
      return 'true or false'
    case 'text':
      return 'a text'
    case 'texts':
      return 'a list of texts'
    case 'numbers':
      return 'a list of numbers of at least 0'
    case 'area':
      return 'two numbers above 0 and up to 1, the least and the greatest share'
    case 'lossScale':
      return "'auto', 'dynamic', 'none' or a power of two"
    case 'object':
      return 'an object'
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

/** Whether a value, of a JSON file say, is of the kind. */
export const isOfKind = (kind: Kind, value: unknown): boolean => {
  switch (kind.kind) {
    case 'integer':
      return Number.isSafeInteger(value) && Number(value) >= kind.least && Number(value) <= (kind.most ?? Infinity)
    case 'number':
      return (
        typeof value === 'number' &&
        Number.isFinite(value) &&
        value >= (kind.least ?? -Infinity) &&
        value > (kind.above ?? -Infinity) &&
        value < (kind.below ?? Infinity) &&
        value <= (kind.most ?? Infinity)
      )
    case 'choice':
      return kind.of.some((name) => name === value)
    case 'switch':
      return typeof value === 'boolean'
    case 'text':
      return typeof value === 'string' && value !== ''
    case 'texts':
      return Array.isArray(value) && value.every((item) => typeof item === 'string')
    case 'numbers':
      return Array.isArray(value) && value.every((item) => Number.isFinite(item) && Number(item) >= 0)
    case 'area':
      return isCropArea(value)
    case 'lossScale':
      return (
        ['auto', 'dynamic', 'none'].some((name) => name === value) ||
        (typeof value === 'number' && value > 0 && Number.isInteger(Math.log2(value)))
      )
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
  }
}

/** What a word of a command line stands for; what is not of the kind comes out as a value that `isOfKind` refuses. */
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

/** Number('') is 0, and Number('0x10') 16: neither is meant. */
const numberOf = (word: string): number | string =>
  /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word) ? Number(word) : word
