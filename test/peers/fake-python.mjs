// Speaks the protocol of python/protocol.py. Its first argument says how it behaves.
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const [, , behaviour, noted] = process.argv
/** @param {object} document */
const say = (document) => process.stdout.write(`${JSON.stringify(document)}\n`)
/** @type {object | null} */
let config = null
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const document = JSON.parse(line)
    if (config === null) {
      config = document
      if (noted !== undefined) writeFileSync(noted, JSON.stringify({ ...config, pid: process.pid }))
      if (behaviour === 'missing') return say({ missing: 'timm', python: '/usr/bin/python3' })
      if (behaviour === 'unable') return say({ unable: 'ValueError: the networks differ' })
      if (behaviour === 'chatty') return process.stdout.write('Hello, I am a library\n')
      return say({ ready: { versions: 'Fake 1.0', ms: 5 } })
    }
    if (behaviour === 'dies') {
      process.stderr.write('out of memory\n')
      process.exit(9)
    }
    say(document.do === 'outputs' ? { outputs: [1, 2] } : { ms: 12.5 })
  })
  .on('close', () => process.exit(0))
