/** The command line for people and programs: output, --json, exit codes, messages. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../../src/cli/run.ts'
import { compile } from '../../src/compile.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'

let folder = ''
const file = (name: string): string => join(folder, name)
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-cli-'))
  await writeFile(
    file('twice.ir'),
    'graph twice {\n  %x = input() {name="x"} : float32[2]\n  %a = neg(%x) : float32[2]\n  %b = neg(%a) : float32[2]\n  return y = %b\n}\n',
  )
  await writeFile(file('bad.ir'), 'graph bad {\n  %y = neg(%x) : float32[2]\n  return %y\n}\n')
  const source = fileURLToPath(new URL('../../src/index.ts', import.meta.url))
  await writeFile(
    file('net.mjs'),
    `import { efficientNet, float32, graph, silu } from ${JSON.stringify(source)}\nexport const tiny = graph('tiny', { x: float32('batch', 3) }, ({ x }) => ({ y: silu(x) }))\nexport const three = 3\nexport const small = efficientNet('b0', { classes: 3, resolution: 16, blocks: [{ kernel: 3, repeats: 2, filters: 8, expand: 2, strides: 1 }] })\nexport const hostile = graph('<img>', { x: float32(1) }, ({ x }) => ({ y: silu(x) }))\n`,
  )
  const small = efficientNet('b0', {
    classes: 3,
    resolution: 16,
    blocks: [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 1 }],
  })
  using net = await compile(small, { backend: 'reference' })
  await net.variables.save(file('small.safetensors'), { metadata: { 'effuse.labels': '["ant","bee","cat"]' } })
  await writeFile(file('text.png'), 'no picture at all')
  await writeFile(file('cut.safetensors'), Buffer.from([0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x7b]))
})
afterAll(() => rm(folder, { recursive: true }))

const run = async (...argv: string[]) => {
  const [out, err]: [string[], string[]] = [[], []]
  const code = await runCli(argv, { out: (line) => out.push(line), err: (line) => err.push(line) })
  return { code, out: out.join('\n'), err: err.join('\n') }
}
const photo = fileURLToPath(new URL('../goldens/photos/coffee.png', import.meta.url))

describe('commands', () => {
  test('help and version end with 0', async () => {
    for (const command of ['predict', 'train', 'evaluate', 'inspect', 'opt', 'explain', 'doctor', 'bench']) {
      const { code, out } = await run(command, '--help')
      expect(code).toBe(0)
      expect(out).toContain(`Usage: effuse ${command}`)
      for (const option of ['--json', '--backend', '--amp', '--xla', '--no-xla', '--seed'])
        expect(out).toContain(option)
    }
    expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+$/)
  })

  test('doctor', async () => {
    const { code, out } = await run('doctor', '--json')
    expect(code).toBe(0)
    const report = JSON.parse(out)
    // tfjs-webgpu is first if WebGPU has a GPU.
    expect(['tfjs-webgpu', 'wasm']).toContain(report.auto)
    expect(report.backends.find((b: { name: string }) => b.name === 'reference')).toMatchObject({
      available: true,
      fix: null,
    })
    expect((await run('doctor')).out).toMatch(/tfjs-wasm +yes/)
  })

  test('inspect', async () => {
    const { code, out } = await run('inspect', '--model', 'b0', '--backend', 'reference', '--json')
    expect(code).toBe(0)
    const report = JSON.parse(out)
    expect(report).toMatchObject({
      model: 'efficientnet-b0',
      backend: 'reference',
      train: false,
      amp: null,
      parameters: 5288548,
      multiplyAdds: 385814752,
    })
    expect(report.passes.find((p: { name: string }) => p.name === 'fold-batch-norm')).toMatchObject({
      changed: true,
      report: { folded: 49 },
    })
    expect((await run('inspect', '--model', 'b0', '--backend', 'reference', '--after', 'to-inference')).out).toMatch(
      /^graph efficientnet-b0|^graph "efficientnet-b0" \{/,
    )
    expect((await run('inspect', '--model', `${file('net.mjs')}#tiny`, '--backend', 'reference')).out).toContain(
      'tiny on reference',
    )
  })

  test('inspect --html writes a page that needs nothing else, with hostile names escaped', async () => {
    const { code, out } = await run(
      'inspect',
      '--model',
      `${file('net.mjs')}#hostile`,
      '--backend',
      'reference',
      '--html',
      file('report.html'),
    )
    expect([code, out]).toEqual([0, expect.stringContaining('report: ')])
    const page = await readFile(file('report.html'), 'utf8')
    expect(page).toMatch(/^<!doctype html>/)
    expect(page).not.toMatch(/<script|src=|href=/)
    expect(page).toContain('&lt;img&gt;')
    expect(page).toContain('<b>to-inference</b>')
  })

  test('opt', async () => {
    const { code, out, err } = await run('opt', file('twice.ir'), '--passes', 'simplify,dce')
    expect([code, out]).toEqual([0, 'graph twice {\n  %0 = input() {name="x"} : float32[2]\n  return y = %0\n}'])
    expect(err).toContain('neg(neg(x)) -> x: 1')
    expect(JSON.parse((await run('opt', file('twice.ir'), '--json')).out).graphs[0]).toContain('%2 = neg(%1)')
  })

  test('explain', async () => {
    const { code, out } = await run('explain', '--model', 'b0', '--backend', 'tfjs-wasm', 'blocks.3/se/reduce')
    expect(code).toBe(0)
    expect(out).toContain('blocks.3/se/reduce was declared as')
    expect(out).toContain('fuse-tfjs: removed conv2d')
    expect(
      JSON.parse(
        (await run('explain', '--model', 'b0', '--backend', 'reference', 'stem/bn', '--json')).out,
      ).history.map((h: { pass: string }) => h.pass),
    ).toContain('fold-batch-norm')
  })

  test("explain names the module's line that declares a layer; a variant has no line", async () => {
    const library = JSON.stringify(fileURLToPath(new URL('../../src/index.ts', import.meta.url)))
    await writeFile(
      file('own.mjs'),
      `import { float32, graph, nn } from ${library}
export const own = graph('own', { x: float32('batch', 2) }, ({ x }) => ({
  y: nn.dense(x, { name: 'dense', units: 3 }), // line 3
}))
const twisted = () => graph('twisted', { x: float32('batch', 4, 4, 1) }, ({ x }) => ({ y: nn.dense(x, { name: 'd', units: 3 }) }))
export const lazy = { inputs: {}, at: twisted }`,
    )
    const explained = async (model: string, path: string) =>
      JSON.parse((await run('explain', '--model', model, '--backend', 'reference', path, '--json')).out)
    expect((await explained('b0', 'stem/bn')).callSite).toBeNull()
    expect((await run('explain', '--model', 'b0', '--backend', 'reference', 'stem/bn')).out).not.toContain('commander')
    expect((await explained(`${file('own.mjs')}#own`, 'dense')).callSite).toMatch(/own\.mjs:3:\d+$/)
    const { err } = await run('inspect', '--model', `${file('own.mjs')}#lazy`, '--backend', 'reference')
    expect(err).toMatch(
      /takes a tensor of rank 2, got float32\[2,4,4,1\]\n {2}hint: .*the first size, 2, may be the batch/,
    )
  })

  test('predict', async () => {
    const { code, out } = await run(
      'predict',
      photo,
      '--weights',
      file('small.safetensors'),
      '--backend',
      'reference',
      '--top',
      '2',
      '--json',
    )
    expect(code).toBe(0)
    const report = JSON.parse(out)
    expect(report).toMatchObject({ backend: 'reference', results: [{ file: photo }] })
    expect(report.results[0].top.length).toBe(2)
    expect(['ant', 'bee', 'cat']).toContain(report.results[0].top[0].label)
    expect(
      (
        await run(
          'predict',
          fileURLToPath(new URL('../goldens/photos', import.meta.url)),
          '--weights',
          file('small.safetensors'),
          '--backend',
          'reference',
        )
      ).out,
    ).toContain('5 pictures in')
  })

  test('bench', async () => {
    const { code, out } = await run(
      'bench',
      '--model',
      'b0',
      '--size',
      '32',
      '--rounds',
      '2',
      '--against',
      'tfjs-wasm',
      '--trace',
      file('trace.json'),
      '--json',
    )
    expect(code).toBe(0)
    const { traceEvents } = JSON.parse(await readFile(file('trace.json'), 'utf8'))
    expect(traceEvents.map((event: { name: string }) => event.name)).toContain('head/dense')
    const { rows } = JSON.parse(out)
    expect(rows.map((r: { name: string }) => r.name)).toEqual(['effuse', 'effuse, op by op', 'tfjs-wasm'])
    for (const row of rows)
      for (const key of ['compileMs', 'warmupMs', 'medianMs', 'minMs', 'p90Ms', 'p99Ms', 'imagesPerSecond'])
        expect(row[key]).toBeGreaterThanOrEqual(0)
  })

  test('bench --train', async () => {
    const model = `${file('net.mjs')}#small`
    const argv = ['--model', model, '--train', '--batch', '4', '--rounds', '2', '--budget', '20']
    const { code, out, err } = await run('bench', ...argv, '--against', 'tfjs-wasm', 'tfjs-cpu', '--json')
    expect(code).toBe(0)
    const { rows, skipped } = JSON.parse(out)
    expect(rows.map((r: { name: string }) => r.name)).toEqual(['effuse', 'effuse, op by op', 'tfjs-cpu'])
    for (const row of rows) expect(row).toMatchObject({ train: true, batch: 4, size: [16, 16], amp: false })
    expect(rows[0].medianMs).toBeLessThan(rows[2].medianMs)
    expect(rows[0].compileMs).toBeGreaterThan(0)
    expect(skipped).toMatchObject([{ name: 'tfjs-wasm', reason: expect.stringContaining('Conv2DBackpropFilter') }])
    expect(err).toMatch(/effuse on (wasm|tfjs-webgpu): first run \d+ ms, loss \d/)
    const plain = await run(
      'bench',
      '--model',
      model,
      '--train',
      '--batch',
      '2',
      '--rounds',
      '1',
      '--backend',
      'tfjs-wasm',
    )
    expect(plain.out).toMatch(/ratio: median against "effuse, op by op"/)
  })
})

describe("a user's mistake is one paragraph and an exit code, never a stack trace", () => {
  test.each<[string, string[], number, RegExp]>([
    ['unknown command', ['fly'], 2, /EF601: there is no command "fly"/],
    ['unknown option', ['doctor', '--fast'], 2, /EF601: unknown option '--fast'/],
    ['missing option', ['inspect'], 2, /inspect needs --model, or a run's folder or file of weights/],
    ['unknown model', ['inspect', '--model', 'b9'], 2, /EF602: there is no model "b9".*\n.*did you mean b0/s],
    [
      'missing module',
      ['inspect', '--model', './nowhere.js#x'],
      2,
      /EF602: the module \.\/nowhere\.js cannot be loaded/,
    ],
    ['unknown backend', ['inspect', '--model', 'b0', '--backend', 'cuda'], 2, /EF601: --backend must be one of/],
    [
      'backend not there yet',
      ['inspect', '--model', 'b0', '--backend', 'webgpu'],
      1,
      /EF404: the backend "webgpu" is not available here/,
    ],
    ['amp of no type', ['inspect', '--model', 'b0', '--amp-dtype', 'float8'], 2, /EF403: option "amp.dtype" must be/],
    [
      'an unknown peer',
      ['bench', '--model', 'b0', '--against', 'tfjs-webgl'],
      2,
      /EF601: --against must be one of tfjs-wasm/,
    ],
    [
      'a size of a model of its own',
      ['bench', '--model', 'NET#tiny', '--size', '8'],
      2,
      /EF601: --size and --classes are/,
    ],
    ['no rounds', ['bench', '--model', 'b0', '--rounds', '0'], 2, /EF601: --rounds must be an integer of at least 1/],
    ['no time', ['bench', '--model', 'b0', '--budget', 'x'], 2, /EF601: --budget must be an integer of at least 1/],
    [
      'training what has no logits',
      ['bench', '--train', '--model', 'NET#tiny'],
      2,
      /EF602: --train needs a model with/,
    ],
    [
      'seed',
      ['inspect', '--model', 'b0', '--seed', 'x'],
      2,
      /EF601: --seed must be an integer from 0 to 4294967295, got "x"/,
    ],
    [
      'unknown pass',
      ['opt', 'TWICE', '--passes', 'simplfy'],
      2,
      /EF301: there is no pass "simplfy".*did you mean simplify/s,
    ],
    ['unknown pass option', ['opt', 'TWICE', '--passes', 'cse{x=1}'], 2, /EF302: pass cse has no option "x"/],
    [
      'ill-formed graph',
      ['opt', 'BAD'],
      1,
      /EF104: \S+bad\.ir:2:12: value %x is used before it is defined\n.*neg\(%x\).*\n +\^/,
    ],
    ['missing file', ['opt', 'nowhere.ir'], 1, /EF501/],
    [
      'unknown path',
      ['explain', '--model', 'b0', '--backend', 'reference', 'blocks.99'],
      1,
      /EF407: no node of efficientnet-b0 has the path "blocks\.99"/,
    ],
    ['no weights', ['predict', photo], 2, /EF601: predict needs trained weights/],
    ['weights that are a picture', ['predict', photo, '--weights', photo], 1, /EF502: .*PNG/],
    ['damaged weights', ['predict', photo, '--weights', 'CUT'], 1, /EF503/],
    [
      'a text named .png',
      ['predict', 'TEXT', '--weights', 'SMALL', '--backend', 'reference'],
      1,
      /EF506: .*looks like text/,
    ],
    [
      'missing picture',
      ['predict', 'nowhere.jpg', '--weights', 'SMALL'],
      1,
      /EF501: cannot read nowhere\.jpg: there is no such file/,
    ],
    [
      'top 0',
      ['predict', photo, '--weights', 'SMALL', '--top', '0'],
      2,
      /EF601: --top must be an integer of at least 1/,
    ],
    ['no such export', ['inspect', '--model', 'NET#deep'], 2, /EF602: .* exports no model "deep"; it exports .*tiny/],
    ['an export that is no model', ['inspect', '--model', 'NET#three'], 2, /EF602: .* exports no model "three"/],
  ])('%s', async (_name, argv, code, message) => {
    const given = argv.map((a) =>
      a
        .replace('TWICE', file('twice.ir'))
        .replace('BAD', file('bad.ir'))
        .replace('CUT', file('cut.safetensors'))
        .replace('TEXT', file('text.png'))
        .replace('SMALL', file('small.safetensors'))
        .replace('NET', file('net.mjs')),
    )
    const plain = await run(...given)
    expect(plain.code).toBe(code)
    expect(plain.err).toMatch(message)
    expect(plain.err).not.toMatch(/\n\s+at /)
    const json = await run(...given, '--json')
    expect(json.code).toBe(code)
    expect(json.err).toBe('')
    expect(JSON.parse(json.out).error).toMatchObject({
      code: expect.stringMatching(/^EF\d{3}$/),
      message: expect.stringMatching(/\w/),
    })
  })
})
