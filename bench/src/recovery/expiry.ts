import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueToken } from '@holdfast/local/issue-token'
import { type RunningStack, startStack } from '@holdfast/local/stack'
import pg from 'pg'
import { z } from 'zod'
import { holdBody, type Offer } from '../catalogue.ts'
import { send, succeed } from '../client.ts'
import { distribution, type Fact, took } from './fact.ts'

/** How late holds end after their time, and whether anybody can convert one that is over. */

const Id = z.object({ id: z.string() })
const holdSeconds = 2
const dayMs = 86_400_000

export async function measureExpiry(holds: number): Promise<Fact[]> {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-recovery-'))
  const running = await startStack({ home, durable: true, logLevel: 'warn' })
  try {
    const punctual = await endings(running, holds)
    await running.down('timeout')
    const swept = await endings(running, holds)
    return [
      { what: `holds of ${holdSeconds} s end, with the timeout service`, figures: punctual },
      { what: 'the same without it', figures: swept },
    ]
  } finally {
    await running.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

async function endings({ stack }: RunningStack, holds: number): Promise<Record<string, number>> {
  const offer = await shortOffer(stack.gatewayUrl, await issueToken(stack.issuerUrl, 'operator', true))
  const token = await issueToken(stack.issuerUrl, 'guest')
  const convertUrl = new URL('/v1/reservations/hold/convert', stack.gatewayUrl)
  const ids: string[] = []
  let converted = 0
  const one = async (n: number) => {
    await new Promise((resolve) => setTimeout(resolve, n * 20))
    const id = await holdAt(stack.gatewayUrl, token, offer)
    ids.push(id)
    await new Promise((resolve) => setTimeout(resolve, holdSeconds * 1_000))
    // Its time began before we heard of it, so now it is over.
    const body = JSON.stringify({ holdId: id })
    const { status } = await send({ method: 'POST', url: convertUrl, token, key: randomUUID(), body })
    if (status === 200) converted += 1
  }
  await Promise.all(Array.from({ length: holds }, (_, n) => one(n)))
  return { ...(await latenessOf(stack.databases.reservation, ids)), convertedAfterItsEnd: converted }
}

/** On a busy machine the answer may be 503: the same key is asked again. */
async function holdAt(gatewayUrl: string, token: string, offer: Offer): Promise<string> {
  const url = new URL('/v1/reservations/hold', gatewayUrl)
  const key = randomUUID()
  for (let tries = 0; tries < 20; tries++) {
    const { status, body } = await send({ method: 'POST', url, token, key, body: holdBody(offer) })
    if (status === 200) return Id.parse(JSON.parse(body).reservation).id
    if (status !== 503) throw new Error(`a hold: ${status} ${body}`)
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  throw new Error('no hold was to be had')
}

async function latenessOf(databaseUrl: string, ids: readonly string[]): Promise<Record<string, number>> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const read = async () =>
      (
        await client.query<{ lateMs: number }>(
          `select extract(epoch from t.at - r.hold_expires_at)::float8 * 1000 as "lateMs"
           from reservation r join timeline t on t.reservation_id = r.id and t.type = 'expired' where r.id = any($1::uuid[])`,
          [ids],
        )
      ).rows
    await took('all have ended', async () => (await read()).length === ids.length, 30_000)
    const late = (await read()).map(({ lateMs }) => lateMs)
    return { ...distribution(late), early: late.filter((ms) => ms < 0).length }
  } finally {
    await client.end()
  }
}

async function shortOffer(gatewayUrl: string, token: string): Promise<Offer> {
  const post = async (path: string, body: object) =>
    JSON.parse(
      (await succeed({ method: 'POST', url: new URL(path, gatewayUrl), token, body: JSON.stringify(body) })).body,
    )
  const experience = { title: 'Short', timeZone: 'UTC', pricePerGuest: 10_000, holdSeconds }
  const { id: experienceId } = z.object({ experience: Id }).parse(await post('/v1/experiences', experience)).experience
  const startsAt = Date.now() + 60 * dayMs
  const times = { startsAt: new Date(startsAt).toISOString(), endsAt: new Date(startsAt + dayMs / 8).toISOString() }
  const slot = await post(`/v1/experiences/${experienceId}/time-slots`, { ...times, capacity: 100_000 })
  return { experienceId, timeSlotId: z.object({ timeSlot: Id }).parse(slot).timeSlot.id }
}
