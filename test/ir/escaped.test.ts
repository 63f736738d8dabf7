/** Names from files and users in messages: they cannot control a terminal or change the text direction. */
import { expect, test } from 'vitest'
import { EffuseError } from '../../src/ir/diagnostics.ts'
import { parse } from '../../src/ir/parse.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { failure } from '../io/support.ts'

const hostile = '\u001b[2J\r\u0085\u2028\u202eabc\u2066'

test('message and hint of an EffuseError have such characters escaped, and keep their lines', () => {
  const { message, hint } = new EffuseError({ code: 'EF101', message: `a ${hostile}\n  b`, hint: hostile })
  expect(message).toBe('a \\u001b[2J\\u000d\\u0085\\u2028\\u202eabc\\u2066\n  b')
  expect(hint).toBe('\\u001b[2J\\u000d\\u0085\\u2028\\u202eabc\\u2066')
})

test('the caret stays under its position in lines with escaped characters', () => {
  expect(failure(() => parse('\t\u202e graph g {}')).message).toBe(
    '1:2: unexpected "\\u202e"\n   \ufffd graph g {}\n   ^',
  )
  expect(failure(() => parsePipeline('cse,\u001b[2J')).message).toBe(
    'expected the name of a pass at column 5\n  cse,\ufffd[2J\n      ^',
  )
})

test('a very long name is truncated', () => {
  const { message } = new EffuseError({
    code: 'EF107',
    message: `the name ${'long '.repeat(1e6)}is taken\n  by another`,
  })
  expect(message.length).toBeLessThan(2100)
  expect(message).toMatch(/^the name long long .*….* long is taken\n {2}by another$/)
})
