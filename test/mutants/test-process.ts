/** A process that runs test files in a copy of the tree (test-server.ts). It is restarted after a run that did not end. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { TestReply, TestRequest } from './test-server.ts'

export interface TestProcess {
  /** 'late' if it has not ended after `limitMs`; then the process is killed. Requests run one after another. */
  run(request: Omit<TestRequest, 'changed'>, limitMs: number): Promise<TestReply | 'late'>
  /** Reports a file whose text has changed. */
  changed(file: string): void
  close(): void
}

class NotStarted extends Error {
  override readonly message = 'the process of the tests did not start: the machine is too busy'
}
const attemptsMax = 5

/** The limit counts ticks, so time in which this process is stopped or the machine is suspended counts as one tick. */
const tickMs = 1000

/** @param reached The file that record-reach.ts writes. */
export const openTests = (root: string, reached?: string): TestProcess => {
  let child: ChildProcess | null = null
  let changed = new Set<string>()
  const end = (): void => {
    // Also kills the workers, which are in the child's process group.
    if (child?.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    child = null
  }
  const start = async (): Promise<ChildProcess> => {
    if (child !== null) return child
    changed = new Set()
    const env = { ...process.env, ...(reached === undefined ? {} : { EFFUSE_REACHED: reached }) }
    const program = fileURLToPath(new URL('./test-server.mjs', import.meta.url))
    const started = spawn(process.execPath, [program], {
      cwd: root,
      env,
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    child = started
    await once(started, 'message')
    return started
  }
  process.on('exit', end)
  const runOnce = async (request: Omit<TestRequest, 'changed'>, limitMs: number): Promise<TestReply | 'late'> => {
    const running = await start()
    const files = [...changed]
    changed.clear()
    return new Promise((resolve, reject) => {
      let leftMs = limitMs
      const timer = setInterval(() => {
        leftMs -= tickMs
        if (leftMs > 0) return
        settle()
        end()
        resolve('late')
      }, tickMs)
      const onMessage = (reply: TestReply | null): void => {
        settle()
        if (reply === null) reject(new NotStarted())
        else resolve(reply)
      }
      const onExit = (code: number | null): void => {
        settle()
        child = null
        reject(new Error(`the process that runs the tests ended with ${code} on ${request.file}`))
      }
      const settle = (): void => {
        clearInterval(timer)
        running.off('message', onMessage)
        running.off('exit', onExit)
      }
      running.on('message', onMessage)
      running.on('exit', onExit)
      running.send({ ...request, changed: files } satisfies TestRequest)
    })
  }
  return {
    run: async (request, limitMs) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await runOnce(request, limitMs)
        } catch (error) {
          if (!(error instanceof NotStarted) || attempt === attemptsMax) throw error
          end()
        }
      }
    },
    changed: (file) => {
      changed.add(file)
    },
    close: () => {
      process.off('exit', end)
      end()
    },
  }
}
