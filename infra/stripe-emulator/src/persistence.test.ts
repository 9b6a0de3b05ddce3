import { spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { openJournal } from './journal.ts'
import type { Row } from './rows.ts'
import { openStore } from './store.ts'
import { emulatorForTest, listenForWebhooks, stripeAt, until } from './test-support.ts'

let data: string
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'stripe-emulator-'))
})
afterEach(() => rmSync(data, { recursive: true, force: true }))

const ten = { amount: 1000, currency: 'usd' } as const

describe('after a restart', () => {
  test('objects, hidden card facts and idempotent answers are as they were', async () => {
    const before = await emulatorForTest({ data })
    const { id: customer } = await before.stripe.customers.create({ metadata: { user: 'alice' } })
    const card = await before.stripe.paymentMethods.attach('pm_card_chargeCustomerFail', { customer })
    const intent = await before.stripe.paymentIntents.create(ten, { idempotencyKey: 'k1' })
    await before.close()

    const after = await emulatorForTest({ data })
    expect(await after.stripe.customers.retrieve(customer)).toMatchObject({ metadata: { user: 'alice' } })
    expect((await after.stripe.customers.listPaymentMethods(customer)).data).toMatchObject([{ id: card.id }])
    const replayed = await after.stripe.paymentIntents.create(ten, { idempotencyKey: 'k1' })
    expect(replayed.id).toBe(intent.id)
    expect(replayed.lastResponse.headers['idempotent-replayed']).toBe('true')
    const charge = after.stripe.paymentIntents.create({
      ...ten,
      customer,
      payment_method: card.id,
      confirm: true,
      return_url: 'https://example.com',
    })
    await expect(charge).rejects.toMatchObject({ code: 'card_declined' })
    await after.close()
  })

  test('events that were held are still owed', async () => {
    const endpoint = await listenForWebhooks()
    const webhook = { secret: 'whsec_x', url: endpoint.url }
    const before = await emulatorForTest({ data, webhook })
    await before.control.post('/webhooks', { hold: true })
    await before.stripe.customers.create({})
    await before.close()
    expect(endpoint.heard).toEqual([])

    const after = await emulatorForTest({ data, webhook })
    await until('the event', () => endpoint.types().includes('customer.created'))
    await after.close()
    await endpoint.close()
  })
})

describe('the journal', () => {
  const refund = (id: string, amount: number) => ['refund', { id, object: 'refund', amount }] as unknown as Row
  const amounts = (store: ReturnType<typeof openStore>) =>
    [...store.newestFirst('refund')].map((row) => [row.id, row.amount])
  const put = (store: ReturnType<typeof openStore>, id: string, amount: number) =>
    store.transact((tx) => tx.put('refund', refund(id, amount)[1] as never))

  test('skips a line cut off by a crash and goes on after it', () => {
    const first = openStore(openJournal(data))
    put(first, 're_1', 1)
    first.close()
    appendFileSync(join(data, 'journal-1.jsonl'), '[["refund",{"id":"re_cut')
    const second = openStore(openJournal(data))
    put(second, 're_2', 2)
    second.close()
    const third = openStore(openJournal(data))
    expect(amounts(third)).toEqual([
      ['re_2', 2],
      ['re_1', 1],
    ])
    third.close()
  })

  test('keeps its size in bounds and loses nothing by it, whatever is written meanwhile', async () => {
    const store = openStore(openJournal(data, 20_000))
    for (let round = 0; round < 50; round++) {
      for (let id = 0; id < 40; id++) put(store, `re_${id}`, round)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await until('one generation', () => readdirSync(data).length <= 2 && readdirSync(data))
    store.close()
    const again = openStore(openJournal(data, 20_000))
    expect(amounts(again)).toHaveLength(40)
    expect(amounts(again).every(([, amount]) => amount === 49)).toBe(true)
    again.close()
  })

  test('keeps nothing of a transaction that failed', () => {
    const store = openStore(openJournal(data))
    const failing = () =>
      store.transact((tx) => {
        tx.put('refund', refund('re_1', 1)[1] as never)
        throw new Error('no')
      })
    expect(failing).toThrow('no')
    expect(amounts(store)).toEqual([])
    store.close()
    expect(amounts(openStore(openJournal(data)))).toEqual([])
  })
})

describe('the process', () => {
  const start = (environment: Record<string, string>) => {
    const main = join(import.meta.dirname, 'main.ts')
    const child = spawn(process.execPath, [main], { env: { PATH: process.env.PATH ?? '', ...environment } })
    const said = { out: '', err: '' }
    child.stdout.on('data', (chunk: Buffer) => {
      said.out += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      said.err += chunk.toString()
    })
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
    const url = () => /"url":"([^"]+)"/.exec(said.out)?.[1]
    return { child, said, exited, url }
  }

  test('keeps what it answered even when killed, and ends with 0 when asked to', async () => {
    const environment = { PORT: '0', STRIPE_EMULATOR_DATA: data, NODE_OPTIONS: '' }
    const first = start(environment)
    const stripe = stripeAt(await until('the url', first.url), 'sk_test_holdfast')
    const { id } = await stripe.paymentIntents.create(ten)
    first.child.kill('SIGKILL')
    await first.exited

    const second = start(environment)
    const later = stripeAt(await until('the url', second.url), 'sk_test_holdfast')
    expect(await later.paymentIntents.retrieve(id)).toMatchObject({ id, amount: 1000 })
    second.child.kill('SIGTERM')
    expect(await second.exited).toBe(0)
    expect(second.said.out).not.toContain('sk_test_holdfast')
  })

  test('names every wrong setting at once, and never starts in production', async () => {
    const wrong = start({
      PORT: 'many',
      STRIPE_SECRET_KEY: 'sk_live_x',
      STRIPE_WEBHOOK_URL: 'nowhere',
      NODE_ENV: 'production',
    })
    expect(await wrong.exited).toBe(1)
    for (const name of ['PORT', 'STRIPE_SECRET_KEY', 'STRIPE_WEBHOOK_URL', 'NODE_ENV']) {
      expect(wrong.said.err).toContain(name)
    }
  })
})
