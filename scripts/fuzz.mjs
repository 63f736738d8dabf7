// npm run fuzz: gives 100,000 random and damaged files, texts and arguments to each of effuse's readers of untrusted input.
// npm run fuzz -- safetensors pth --cases 5000 --seed 7: only these. Failures are stored in .effuse/failures/fuzz and tried first the next time.
import { runSources } from './support/run-sources.mjs'

await runSources('test/fuzz/main.ts', 'fuzz')
