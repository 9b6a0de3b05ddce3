import { allRoutes } from '@holdfast/contracts/routes/all'
import { sendRaw, statusesIn } from '@holdfast/testing/raw-http'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { aHold, aUser } from '../support/situation.ts'
import { operator, type TestStack } from '../support/stack.ts'
import { forgeries, inGroups } from './forge.ts'
import { serviceNames, urlOf } from './surroundings.ts'

/** A route of each service that any user may read. */
const readable = {
  gateway: '/v1/reservations',
  inventory: '/v1/experiences',
  reservation: '/v1/reservations',
  payment: '/v1/payments/methods',
} as const
const doors = ['gateway', ...serviceNames] as const

/** Only a token of ours opens a door: the gateway's, and just as well that of each service behind it. */
export function tokens(stack: TestStack): void {
  const guest = aUser()
  let forged: Record<string, string>
  beforeAll(async () => {
    forged = forgeries(stack, await stack.token(guest))
  })
  const ask = (door: keyof typeof readable, authorization?: string) =>
    fetch(new URL(readable[door], urlOf(stack, door)), {
      ...(authorization !== undefined && { headers: { authorization } }),
    })

  describe.each(doors)('%s', (door) => {
    test('opens to a token of ours', async () => {
      expect((await ask(door, `Bearer ${await stack.token(guest)}`)).status).toBe(200)
    })

    test('refuses no token, and every forged one, in the documented words', async () => {
      const cases = Object.entries<string | undefined>({ 'no token': undefined, 'an empty header': '', ...forged })
      const refused = {
        status: 401,
        challenge: 'Bearer error="invalid_token"',
        body: { error: 'UNAUTHORIZED', message: expect.any(String), requestId: expect.any(String) },
      }
      for (const [what, authorization] of cases) {
        const answer = await ask(door, authorization)
        const { status, headers } = answer
        const seen = { status, challenge: headers.get('www-authenticate'), body: await answer.json() }
        expect({ what, ...seen }).toEqual({ what, ...refused })
      }
    })

    test('is not opened by the second of two headers', async () => {
      const good = await stack.token(guest)
      const lines = [
        `GET ${readable[door]} HTTP/1.1`,
        'Host: x',
        `Authorization: ${forged["somebody else's signature under our key's id"]}`,
        `Authorization: Bearer ${good}`,
        'Connection: close',
      ]
      const [status] = statusesIn(await sendRaw(urlOf(stack, door), `${lines.join('\r\n')}\r\n\r\n`))
      expect([400, 401]).toContain(status)
    })
  })

  test('no route but the webhook answers anybody without a token, past the gateway either', async () => {
    for (const route of allRoutes.filter(({ auth }) => auth !== 'none')) {
      const path = route.url.replaceAll(/:\w+/g, '00000000-0000-4000-8000-000000000000')
      for (const door of ['gateway', route.service]) {
        const init = { method: route.method, headers: { 'x-idempotency-key': 'k' } }
        const { status } = await fetch(new URL(path, urlOf(stack, door)), init)
        expect({ door, route: `${route.method} ${route.url}`, status }).toMatchObject({ status: 401 })
      }
    }
    expect(allRoutes.filter(({ auth }) => auth === 'none').map(({ url }) => url)).toEqual(['/v1/webhooks/stripe'])
  })

  describe('what is for operators is for nobody else', () => {
    const operators = allRoutes.filter(({ auth }) => auth === 'operator')
    const groups: [string, unknown][] = [
      ['no group', undefined],
      ['another group', ['guests']],
      ['a group that begins like it', ['operators2']],
      ['it in other letters', ['Operators']],
      ['a text that contains it', 'not-operators'],
      ['an object that has it', { operators: true }],
      ['a number', 1],
      ['it, one list deeper', [['operators']]],
    ]
    test.each(groups)('not by %s', async (_what, group) => {
      const token = inGroups(stack, await stack.token(guest), group)
      for (const { method, url, service } of operators) {
        const path = url.replaceAll(/:\w+/g, '00000000-0000-4000-8000-000000000000')
        for (const door of ['gateway', service]) {
          const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
          const body = method === 'GET' ? null : '{}'
          const answer = await fetch(new URL(path, urlOf(stack, door)), { method, headers, body })
          // Claims in a shape that Cognito never gives them are no token of ours.
          expect([401, 403]).toContain(answer.status)
          expect(await answer.json()).toMatchObject({ error: expect.stringMatching(/^(FORBIDDEN|UNAUTHORIZED)$/) })
        }
      }
    })

    test('by one of them, at each door', async () => {
      const headers = { authorization: `Bearer ${await stack.token(operator)}`, 'content-type': 'application/json' }
      for (const door of ['gateway', 'inventory']) {
        const init = { method: 'POST', headers, body: '{}' }
        expect((await fetch(new URL('/v1/experiences', urlOf(stack, door)), init)).status).toBe(400)
      }
    })
  })

  describe('past the gateway', () => {
    /** What proxies and identity providers in front of others would say, and others would believe. */
    const claims = (owner: string) => ({
      ...{ 'x-user-id': owner, 'x-user': owner, 'x-forwarded-user': owner, 'x-auth-request-user': owner },
      ...{ 'x-amzn-oidc-identity': owner, 'x-amzn-oidc-data': `a.${owner}.b`, 'x-amzn-oidc-accesstoken': owner },
      ...{ 'x-operator': 'true', 'x-groups': 'operators', 'cognito:groups': undefined },
      ...{ 'x-original-url': '/v1/experiences', 'x-rewrite-url': '/v1/experiences' },
      ...{ 'x-forwarded-for': '127.0.0.1', forwarded: 'for=127.0.0.1;host=internal', via: '1.1 gateway' },
      ...{ 'x-real-ip': '127.0.0.1', 'true-client-ip': '127.0.0.1', 'x-forwarded-host': 'internal' },
    })
    const given = (owner: string) =>
      Object.fromEntries(Object.entries(claims(owner)).filter((entry): entry is [string, string] => Boolean(entry[1])))

    test('who claims to be somebody is nobody without a token, and with one the one it names', async () => {
      const owner = aUser()
      const { id } = await aHold(stack, owner)
      const stranger = await stack.token(aUser())
      for (const door of ['gateway', 'reservation']) {
        const url = new URL(`/v1/reservations/${id}`, urlOf(stack, door))
        expect((await fetch(url, { headers: given(owner) })).status).toBe(401)
        const answer = await fetch(url, { headers: { ...given(owner), authorization: `Bearer ${stranger}` } })
        expect(answer.status).toBe(404)
        expect(await answer.json()).toMatchObject({ error: 'RESERVATION_NOT_FOUND' })
      }
    })

    test('the method is the one in the first line, and so is the path', async () => {
      const owner = aUser()
      const { id } = await aHold(stack, owner)
      const headers = {
        ...{ 'x-http-method-override': 'DELETE', 'x-method-override': 'DELETE', 'x-http-method': 'DELETE' },
        ...{ 'x-original-url': `/v1/reservations/hold/${id}`, 'x-rewrite-url': `/v1/reservations/hold/${id}` },
        authorization: `Bearer ${await stack.token(owner)}`,
      }
      for (const door of ['gateway', 'reservation']) {
        const url = new URL(`/v1/reservations/${id}?_method=DELETE`, urlOf(stack, door))
        const answer = await fetch(url, { headers })
        expect(answer.status).toBe(200)
        expect(await answer.json()).toMatchObject({ reservation: { id, status: 'held' } })
        const post = new URL(`/v1/reservations/hold/${id}`, urlOf(stack, door))
        expect((await fetch(post, { method: 'POST', headers })).status).toBe(404)
      }
      expect(await stack.rows('reservation', 'select status from reservation where id = $1', [id])).toEqual([
        { status: 'held' },
      ])
    })
  })
}
