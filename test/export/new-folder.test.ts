/** A folder that exists either completely or not at all. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeFolder } from '../../src/platform/node-new-folder.ts'

let around = ''
let path = ''
beforeEach(() => {
  around = mkdtempSync(join(tmpdir(), 'effuse-folder-'))
  path = join(around, 'saved')
})
afterEach(() => rmSync(around, { recursive: true }))

const write = (text: string, isReplaced = false) =>
  writeFolder(path, isReplaced, async (folder) => {
    mkdirSync(join(folder, 'inner'))
    writeFileSync(join(folder, 'inner', 'text'), text)
  })
const content = () => readFileSync(join(path, 'inner', 'text'), 'utf8')

test('gets its name when it is complete', async () => {
  await writeFolder(path, false, async (folder) => {
    expect(readdirSync(around)).not.toContain('saved')
    expect(folder).not.toBe(path)
    writeFileSync(join(folder, 'a'), 'a')
  })
  expect(readdirSync(around)).toEqual(['saved'])
  expect(readdirSync(path)).toEqual(['a'])
})

test('a replaced folder stays until the new one is complete, and also if that fails', async () => {
  await write('old')
  await expect(write('new')).rejects.toMatchObject({ code: 'EF501', message: expect.stringContaining('not empty') })
  const failing = writeFolder(path, true, async (folder) => {
    writeFileSync(join(folder, 'half'), '')
    expect(content()).toBe('old')
    throw Object.assign(new Error('full'), { code: 'ENOSPC' })
  })
  await expect(failing).rejects.toMatchObject({ code: 'EF501', message: `cannot write ${path}: the disk is full` })
  expect([content(), readdirSync(around)]).toEqual(['old', ['saved']])
  await write('new', true)
  expect([content(), readdirSync(around)]).toEqual(['new', ['saved']])
})

test('a folder that is created concurrently is not replaced', async () => {
  const late = writeFolder(path, false, async (folder) => {
    writeFileSync(join(folder, 'mine'), '')
    mkdirSync(path)
    writeFileSync(join(path, 'theirs'), '')
  })
  await expect(late).rejects.toMatchObject({ code: 'EF501' })
  expect([readdirSync(around), readdirSync(path)]).toEqual([['saved'], ['theirs']])
})

test('remains of a killed process are removed; files of a running process are not', async () => {
  const { pid: dead } = spawnSync(process.execPath, ['--version'])
  const left = `.saved.${dead}.0123456789ab.tmp`
  const [running, other] = [`.saved.${process.pid}.0123456789ab.tmp`, '.saved.text']
  for (const name of [left, running, other]) mkdirSync(join(around, name))
  await write('new')
  expect(readdirSync(around).sort()).toEqual([running, other, 'saved'].sort())
})
