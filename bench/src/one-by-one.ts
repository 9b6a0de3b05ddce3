import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { holdBody, type Offer } from './catalogue.ts'
import { type Outgoing, send } from './client.ts'
import { type Figures, figuresOf } from './figures.ts'

/** Latencies without company: one request after another. */

interface Guests {
  readonly gatewayUrl: string
  readonly reservationUrl: string
  /** Of different users, who take turns: nobody holds a thousand places of one slot. */
  readonly tokens: readonly string[]
  readonly offer: Offer
  readonly seconds: number
}

const Held = z.object({ reservation: z.object({ id: z.string() }) })

/** In turns, so that whatever else the machine does falls on both alike. */
export async function holdsInTurns(guests: Guests): Promise<{ gateway: Figures; direct: Figures }> {
  const gateway = createStopwatch()
  const direct = createStopwatch()
  await during(guests, async (token) => {
    await gateway.time(holdAt(guests.gatewayUrl, token, guests.offer))
    await direct.time(holdAt(guests.reservationUrl, token, guests.offer))
  })
  return { gateway: gateway.figures(), direct: direct.figures() }
}

/** With a new card: the payment intent is made, and waits for Stripe.js. */
export async function conversions(guests: Guests): Promise<{ convert: Figures; status: Figures }> {
  const { gatewayUrl, offer } = guests
  const convert = createStopwatch()
  const status = createStopwatch()
  await during(guests, async (token) => {
    const { body } = await send(holdAt(gatewayUrl, token, offer))
    const { id } = Held.parse(JSON.parse(body)).reservation
    const url = new URL('/v1/reservations/hold/convert', gatewayUrl)
    await convert.time({ method: 'POST', url, token, key: randomUUID(), body: JSON.stringify({ holdId: id }) })
    await status.time({ method: 'GET', url: new URL(`/v1/reservations/${id}/payment-status`, gatewayUrl), token })
  })
  return { convert: convert.figures(), status: status.figures() }
}

const holdAt = (base: string, token: string, offer: Offer): Outgoing => ({
  ...{ method: 'POST', url: new URL('/v1/reservations/hold', base), token },
  ...{ key: randomUUID(), body: holdBody(offer) },
})

async function during({ seconds, tokens }: Guests, work: (token: string) => Promise<void>): Promise<void> {
  const end = performance.now() + seconds * 1_000
  for (let turn = 0; performance.now() < end; turn++) await work(tokens[turn % tokens.length] ?? '')
}

function createStopwatch() {
  const latenciesMs: number[] = []
  const others: Record<string, number> = {}
  let busyMs = 0
  return {
    async time(outgoing: Outgoing): Promise<void> {
      const { status, ms } = await send(outgoing)
      busyMs += ms
      if (status === 200) latenciesMs.push(ms)
      else others[status] = (others[status] ?? 0) + 1
    },
    figures: () => figuresOf(latenciesMs, busyMs / 1_000, others),
  }
}
