// npm run mutants: makes wrong versions of the sources, by hand and by operators, and runs the tests that should detect each one.
// npm run mutants -- --by-hand | --mechanical [--count 300] [--seed 1] | --only TEXT | --list | --jobs 2 | --fresh.
import { runSources } from './support/run-sources.mjs'

await runSources('test/mutants/main.ts', 'mutants', ['test/mutants/test-server.ts'])
