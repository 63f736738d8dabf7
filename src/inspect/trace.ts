/** Profiles as traces, for Perfetto (ui.perfetto.dev) and chrome://tracing. */
import type { ProfileRow } from '../backends/backend.ts'

/**
 * The rows of `executable.profile()` in the Trace Event Format, as JSON: one complete event for each row, one after another. An event is named after
 * the path of its node. Times are microseconds from the start of the run; the time between two kernels is not shown, because a profile has none.
 *
 * @param name Of the process in the viewer.
 * @example
 * const text = profileTrace(await net.profile({ image }), 'b0')
 * JSON.parse(text).traceEvents.length // one more than the profile has rows
 */
export const profileTrace = (rows: readonly ProfileRow[], name = 'effuse'): string => {
  const place = { pid: 1, tid: 1 }
  let start = 0
  const events = rows.map(({ path, op, kernel, ms }) => {
    const event = { name: path || op, cat: op, ph: 'X', ts: start, dur: 1000 * ms, ...place, args: { op, kernel } }
    start += 1000 * ms
    return event
  })
  const title = { name: 'process_name', ph: 'M', ...place, args: { name } }
  return JSON.stringify({ traceEvents: [title, ...events], displayTimeUnit: 'ms' })
}
