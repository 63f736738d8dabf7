// npm run fuzz: random and damaged files, texts and arguments for everything that reads what others made, 100,000 each.
// npm run fuzz -- safetensors pth --cases 5000 --seed 7: only these. Failures are kept in .effuse/failures/fuzz and tried first the next time.
import { runSources } from './support/run-sources.mjs'

await runSources('test/fuzz/main.ts', 'fuzz')
