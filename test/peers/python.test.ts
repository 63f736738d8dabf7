/** Peers in Python: what they receive and answer, and that they never outlive the bench. Only the marked tests need Python. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adam, crossEntropy, efficientNet, float32, graph, nn, rmsprop, trainingStep } from '../../src/index.ts'
import { benchFeeds } from '../../src/inspect/bench-feeds.ts'
import { checkOutputs } from '../../src/inspect/same-outputs.ts'
import type { Contender } from '../../src/inspect/contender.ts'
import type { Model } from '../../src/ir/model.ts'
import { stepOptionsOf } from '../../src/passes/train/declaration.ts'
import type { PeerRequest } from '../../src/peers/peer.ts'
import { openPython } from '../../src/peers/python.ts'

const fake = fileURLToPath(new URL('fake-python.mjs', import.meta.url))
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'effuse-peers-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

const b0 = efficientNet('b0', { resolution: 32, classes: 3 })
const requestOf = (model: Model, batch = 2): PeerRequest => {
  const declared = model.at({ batch })
  return {
    model,
    graph: declared,
    batch,
    seed: 0,
    training: stepOptionsOf(model),
    feeds: benchFeeds(declared),
    threads: 2,
  }
}
const commandOf = (...behaviour: readonly string[]): readonly string[] => [process.execPath, fake, ...behaviour]

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
const whenGone = async (pid: number): Promise<void> => {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20))
}

describe('a peer in Python', () => {
  test('receives the network, its weights and feeds, measures itself, and exits with the bench', async () => {
    const noted = path.join(folder, 'config.json')
    const peer = await openPython('pytorch', requestOf(b0 as Model), commandOf('well', noted))
    expect([peer.about, peer.compileMs]).toEqual(['Fake 1.0', 5])
    expect(await peer.run()).toEqual({ loss: null, ms: 12.5 })
    expect(await peer.outputs()).toEqual([1, 2])
    const config = JSON.parse(await readFile(noted, 'utf8'))
    expect(config).toMatchObject({ variant: 'b0', classes: 3, imageShape: [2, 32, 32, 3], threads: 2, training: null })
    expect(config.shapes[0]).toEqual([3, 3, 3, 32])
    expect(existsSync(config.weights)).toBe(false) // the files are deleted when the network is built
    expect(isAlive(config.pid)).toBe(true)
    peer.dispose()
    await whenGone(config.pid)
  })

  test('receives the options of a training step', async () => {
    const optimizer = rmsprop({ learningRate: 0.25, rho: 0.8, momentum: 0.7, epsilon: 0.01 })
    const step = trainingStep(b0, { loss: crossEntropy(), optimizer, weightDecay: 1e-4, emaDecay: 0.99 })
    const noted = path.join(folder, 'training.json')
    const peer = await openPython('tensorflow-python', requestOf(step as Model), commandOf('well', noted))
    peer.dispose()
    expect(await peer.outputs()).toBe(null) // dropout draws other numbers in Python
    expect(JSON.parse(await readFile(noted, 'utf8')).training).toEqual({
      ...{ rho: 0.8, momentum: 0.7, epsilon: 0.01, weightDecay: 1e-4, learningRate: 0.25, emaDecay: 0.99 },
      ...{ labelSmoothing: 0.1, dropout: 0.2, stochasticDepth: 0.2 },
    })
  })

  test.each([
    [
      'missing',
      { code: 'EF404', message: /needs Python with torch and timm; .* has no timm/, hint: /-m pip install torch timm/ },
    ],
    ['unable', { code: 'EF405', message: /^ValueError: the networks differ$/, hint: /^$/ }],
    ['chatty', { code: 'EF405', message: /said "Hello, I am a library", which is no answer/, hint: /^$/ }],
  ])('that is %s is not used, and its process exits', async (behaviour, { code, message, hint }) => {
    const noted = path.join(folder, `${behaviour}.json`)
    const error = await openPython('pytorch', requestOf(b0 as Model), commandOf(behaviour, noted)).catch(
      (e: unknown) => e,
    )
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
    expect((error as { hint?: string }).hint ?? '').toMatch(hint)
    await whenGone(JSON.parse(await readFile(noted, 'utf8')).pid)
  })

  test('that exits during a run fails the run with its last output, and does not hang', async () => {
    const peer = await openPython('pytorch', requestOf(b0 as Model), commandOf('dies'))
    await expect(peer.run()).rejects.toMatchObject({
      code: 'EF405',
      message: 'its process ended with code 9: out of memory',
    })
    await expect(peer.run()).rejects.toMatchObject({ code: 'EF405' })
    peer.dispose()
  })

  test('is reported with a hint if there is no Python', async () => {
    await expect(openPython('pytorch', requestOf(b0 as Model), [path.join(folder, 'no-python')])).rejects.toMatchObject(
      {
        code: 'EF404',
        hint: expect.stringContaining('EFFUSE_PYTHON'),
      },
    )
  })

  const own = graph('own', { image: float32('batch', 8, 8, 3) }, ({ image }) => ({
    y: nn.conv2d(image, { filters: 2, kernel: 3, name: 'conv' }),
  }))
  test.each([
    ['a network of the user', own, /own is not among them/],
    ['another padding', efficientNet('b0', { padding: 'symmetric' }), /is one with other padding/],
    ['a variant that Keras has not', efficientNet('lite0'), /is not among them/],
    [
      'another optimizer',
      trainingStep(b0, { loss: crossEntropy(), optimizer: adam({ learningRate: 0.1 }) }),
      /with RMSprop/,
    ],
  ])('is skipped for %s', async (_what, model, message) => {
    const opening = openPython('tensorflow-python', requestOf(model as Model, 1), commandOf('well'))
    await expect(opening).rejects.toMatchObject({ code: 'EF405', message: expect.stringMatching(message) })
  })
})

describe('the protocol in Python', () => {
  const hasPython = spawnSync('python3', ['--version']).status === 0
  const scripts = fileURLToPath(new URL('../../python', import.meta.url))
  const program = [
    'import sys, time',
    `sys.path.insert(0, ${JSON.stringify(scripts)})`,
    'from protocol import serve',
    'def build(config):',
    '    print("a library greets")',
    '    return "Fake 1.0", lambda: time.sleep(config["seconds"]), lambda: [1.5], 3',
    'serve(build)',
  ].join('\n')

  test.runIf(hasPython)('answers line by line, even if libraries print (needs python3)', async () => {
    const child = spawn('python3', ['-c', program], { stdio: ['pipe', 'pipe', 'ignore'] })
    let out = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    for (const line of [{ seconds: 0 }, { do: 'run' }, { do: 'outputs' }])
      child.stdin.write(`${JSON.stringify(line)}\n`)
    while (out.split('\n').length < 4) await new Promise((resolve) => setTimeout(resolve, 20))
    child.stdin.end()
    const [ready, ran, outputs] = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(ready.ready.versions).toMatch(/^Fake 1\.0, Python 3/)
    expect(ran.ms).toBeGreaterThanOrEqual(0)
    expect(outputs).toEqual({ outputs: [1.5] })
  })

  test.runIf(hasPython)('exits during a run when the bench is killed (needs python3)', async () => {
    // The bench: it starts the peer, prints its process id, and waits. SIGKILL prevents any cleanup.
    const bench = `
      const child = require('node:child_process').spawn('python3', ['-c', process.argv[1]], { stdio: ['pipe', 'pipe', 'ignore'] })
      child.stdin.write('{"seconds": 600}\\n{"do": "run"}\\n')
      child.stdout.once('data', () => console.log(child.pid))
      setInterval(() => {}, 1000)`
    const parent = spawn(process.execPath, ['-e', bench, program], { stdio: ['ignore', 'pipe', 'inherit'] })
    const pid = await new Promise<number>((resolve) =>
      parent.stdout.once('data', (text: Buffer) => resolve(Number(String(text)))),
    )
    expect(isAlive(pid)).toBe(true)
    parent.kill('SIGKILL')
    await whenGone(pid)
  })
})

describe('first results', () => {
  const contender = (name: string, outputs: readonly number[] | null): Contender => ({
    ...{ name, backend: 'none', amp: false, xla: true, compileMs: 0, peakBytes: null },
    run: () => Promise.resolve({ loss: null }),
    outputs: () => Promise.resolve(outputs),
    dispose: () => {},
  })

  test.each([
    [[1, -2], [1.0001, -2.0001], true],
    [[1, -2], null, true],
    [[1, -2], [1, 2], false],
    [[1, -2], [1], false],
    [[1, -2], [1, Number.NaN], false],
    [[Number.NaN, 1], [Number.NaN, 1], false],
  ])('%j and %j compare: %s', async (wanted, got, compares) => {
    const check = checkOutputs([contender('effuse', wanted), contender('peer', got)])
    if (compares) await check
    else
      await expect(check).rejects.toMatchObject({
        code: 'EF901',
        message: expect.stringContaining('peer and of effuse'),
      })
  })
})
