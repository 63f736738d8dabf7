/** Setup in a separate process, which a test may kill. Programs come from PATH. */
import { thisSystem } from '../../src/setup/system.ts'
import { setupTensorflow } from '../../src/setup/tensorflow.ts'
import { realTools } from '../../src/setup/tools.ts'
import type { Wheel } from '../../src/setup/wheels.ts'

const { project, wheel } = JSON.parse(process.argv[2] ?? '') as { readonly project: string; readonly wheel: Wheel } // as kill.test.ts passes them
const progress = { say: (line: string) => console.log(line), at: () => {}, stop: () => {} }
const report = await setupTensorflow({
  version: '9.9.9',
  kind: 'cpu',
  system: thisSystem(),
  tools: realTools(),
  progress,
  wheels: [wheel],
  project: [project],
})
console.log(`was there: ${report.wasThere}`)
