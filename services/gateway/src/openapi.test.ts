import { type ErrorCode, errors } from '@holdfast/contracts/errors'
import { allRoutes } from '@holdfast/contracts/routes/all'
import { listTimeSlots, updateTimeSlot } from '@holdfast/contracts/routes/catalog'
import { convertHold, getReservation, listReservations } from '@holdfast/contracts/routes/reservations'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Validator } from '@seriousme/openapi-schema-validator'
import type { OpenAPIV3_1 } from 'openapi-types'
import { codesOf } from './route-errors.ts'
import { closeOpened, openGateway } from './testing.ts'

const nobody = 'http://127.0.0.1:1'
let gateway: Awaited<ReturnType<typeof openGateway>>
let document: OpenAPIV3_1.Document

beforeAll(async () => {
  gateway = await openGateway(nobody, { DOCS_ENABLED: 'true' })
  document = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as OpenAPIV3_1.Document
})

afterAll(closeOpened)

type Operation = OpenAPIV3_1.OperationObject & { responses: Record<string, OpenAPIV3_1.ResponseObject> }

const operationOf = ({ method, url }: { method: string; url: string }) => {
  const path = document.paths?.[url.replaceAll(/:(\w+)/g, '{$1}')]
  return path?.[method.toLowerCase() as 'get'] as Operation | undefined
}

/** The codes that an operation says it may answer under a status. */
const codesUnder = (operation: Operation | undefined, status: number) => {
  const schema = operation?.responses[status]?.content?.['application/json']?.schema as
    | OpenAPIV3_1.SchemaObject
    | undefined
  return (schema?.properties?.error as OpenAPIV3_1.SchemaObject | undefined)?.enum ?? []
}

test('closed, there is neither the document nor the page', async () => {
  const closed = await openGateway(nobody, { DOCS_ENABLED: 'false' })
  for (const path of ['/openapi.json', '/docs', '/docs/', '/docs/index.html', '/docs/json'])
    expect({ path, status: (await fetch(`${closed.url}${path}`)).status }).toEqual({ path, status: 404 })
})

test('the document is valid OpenAPI 3.1', async () => {
  const validator = new Validator()
  const result = await validator.validate(structuredClone(document) as unknown as Record<string, unknown>)
  expect(result).toMatchObject({ valid: true })
  expect(validator.version).toBe('3.1')
})

test.each(allRoutes.map((route) => [`${route.method} ${route.url}`, route] as const))('%s is described', (_, route) => {
  const operation = operationOf(route)
  expect(operation?.summary).toBe(route.summary)
  expect(operation?.operationId).toMatch(/^[a-zA-Z]+$/)
  expect(operation?.security).toEqual(route.auth === 'none' ? undefined : [{ accessToken: [] }])
  expect(Boolean(operation?.requestBody)).toBe(Boolean(route.body) || route.auth === 'none')
  expect(operation?.responses[route.status ?? 200]?.content?.['application/json']?.schema).toBeDefined()
  for (const code of codesOf(route)) expect(codesUnder(operation, errors[code].status)).toContain(code)
  expect(codesUnder(operation, 500)).toEqual(['Internal server error'])
  for (const { headers } of Object.values(operation?.responses ?? {}))
    expect(headers).toHaveProperty('RateLimit-Remaining')
})

test('nothing is described that is not in the contract', () => {
  const described = Object.values(document.paths ?? {}).flatMap((path) => Object.keys(path ?? {}))
  expect(described).toHaveLength(allRoutes.length)
})

test('what several answers share has a name, and every name leads to one that is described', () => {
  const schemaOf = (name: string) => document.components?.schemas?.[name] as OpenAPIV3_1.SchemaObject | undefined
  const answer = operationOf(getReservation)?.responses[200]?.content?.['application/json']?.schema
  expect(answer).toMatchObject({ properties: { reservation: { $ref: '#/components/schemas/Reservation' } } })
  expect(schemaOf('Reservation')?.properties).toMatchObject({ experience: { $ref: '#/components/schemas/Experience' } })
  expect(schemaOf('PaymentStatus')?.enum).toContain('requires_action')
  const used = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name)
  expect(Object.keys(document.components?.schemas ?? {}).sort()).toEqual([...new Set(used)].sort())
})

describe('the idempotency key', () => {
  const keyOf = (operation: Operation | undefined) =>
    (operation?.parameters as OpenAPIV3_1.ParameterObject[] | undefined)?.find(
      ({ name }) => name === 'x-idempotency-key',
    )

  test.each(allRoutes.map((route) => [`${route.method} ${route.url}`, route] as const))('%s', (_, route) => {
    const takesKey = route.method === 'POST' && route.auth !== 'none'
    expect(keyOf(operationOf(route))?.required).toBe(takesKey ? route.idempotency === 'required' : undefined)
  })
})

test('what a client sends and what it gets are told apart: a default may be left out, and is always answered', () => {
  const query = operationOf(listReservations)?.parameters as OpenAPIV3_1.ParameterObject[]
  expect(query.map(({ name, in: place, required }) => ({ name, place, required }))).toEqual([
    { name: 'limit', place: 'query', required: false },
    { name: 'offset', place: 'query', required: false },
    { name: 'status', place: 'query', required: false },
  ])
})

test('what cannot be guessed of a query is said', () => {
  const said = (route: { method: string; url: string }, name: string) =>
    (operationOf(route)?.parameters as OpenAPIV3_1.ParameterObject[] | undefined)?.find((one) => one.name === name)
      ?.description
  expect(said(listReservations, 'status')).toBe(
    'One or several of held, pending, confirmed, expired, cancelled; commas between.',
  )
  for (const name of ['from', 'to', 'guests']) expect(said(listTimeSlots, name)).toEqual(expect.any(String))
})

test('only what passes by itself says when to come back', () => {
  const headersOf = (route: { method: string; url: string }) => operationOf(route)?.responses['409']?.headers
  expect(headersOf(convertHold)).toHaveProperty('Retry-After')
  expect(headersOf(updateTimeSlot)).not.toHaveProperty('Retry-After')
})

test('a route’s errors are its own and those that follow from what it takes', () => {
  const expected: ErrorCode[] = [
    ...(convertHold.errors ?? []),
    'VALIDATION_ERROR',
    'IDEMPOTENCY_KEY_REQUIRED',
    'UNAUTHORIZED',
    'IDEMPOTENCY_KEY_IN_USE',
    'IDEMPOTENCY_KEY_REUSED',
    'PAYLOAD_TOO_LARGE',
    'UNSUPPORTED_MEDIA_TYPE',
    'RATE_LIMITED',
    'SERVICE_UNAVAILABLE',
  ]
  expect(codesOf(convertHold)).toEqual(expected)
})

test('the page comes whole from here, and its policy lets it talk to nobody else', async () => {
  const page = await fetch(`${gateway.url}/docs`)
  const html = await page.text()
  expect(page.url).toBe(`${gateway.url}/docs/`)
  const policy = page.headers.get('content-security-policy') ?? ''
  expect(policy).toMatch(/default-src 'none';.*connect-src 'self'/)
  expect(policy).not.toMatch(/https?:|\*/)
  const nonce = /'nonce-([^']+)'/.exec(policy)?.[1]
  expect(html).toContain(`nonce="${nonce}"`)
  const script = await fetch(new URL('js/scalar.js', page.url))
  expect(script.headers.get('content-type')).toContain('javascript')
  expect((await script.text()).length).toBeGreaterThan(1_000_000)
})

test('a setting closes both', async () => {
  const closed = await openGateway(nobody)
  expect((await fetch(`${closed.url}/openapi.json`)).status).toBe(404)
  expect((await fetch(`${closed.url}/docs/`)).status).toBe(404)
})
