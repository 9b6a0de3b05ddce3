/**
 * Loaded into a service ahead of its own code (NODE_OPTIONS=--import). At each moment between two effects it looks whether
 * this process is ordered to die there, and if so it is gone before the next statement. The product knows nothing of it.
 */
import { subscribe } from 'node:diagnostics_channel'
import { readFileSync, unlinkSync } from 'node:fs'
import { channelOf, moments } from '@holdfast/runtime/moments'

const { CHAOS_ORDER: file } = process.env
let survived = 0

if (file)
  for (const moment of moments)
    subscribe(channelOf(moment), () => {
      const order = read(file)
      if (!order?.startsWith(`${moment} `)) return
      if (survived < Number(order.split(' ')[1])) {
        survived += 1
        return
      }
      if (isStillGiven(file)) process.kill(process.pid, 'SIGKILL')
    })

/** It is carried out or withdrawn, never both: whoever removes the file has decided. And a successor has no order. */
function isStillGiven(path: string): boolean {
  try {
    unlinkSync(path)
    return true
  } catch {
    return false
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
