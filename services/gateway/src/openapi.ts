import swagger from '@fastify/swagger'
import { errors } from '@holdfast/contracts/errors'
import type { Route } from '@holdfast/contracts/route'
import { allRoutes } from '@holdfast/contracts/routes/all'
import * as catalog from '@holdfast/contracts/routes/catalog'
import * as operations from '@holdfast/contracts/routes/operations'
import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import * as values from '@holdfast/contracts/values'
import Fastify, { type FastifySchema } from 'fastify'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import type { OpenAPIV3_1 } from 'openapi-types'
import { z } from 'zod'
import { description, flow, headerComponents, headersOf, tagOf, tags } from './openapi-words.ts'
import { codesOf } from './route-errors.ts'

/**
 * The contract as OpenAPI 3.1, from the very schemas that the services validate with. It is printed by an application
 * that serves nobody, because the one that does forwards bytes and must not know schemas.
 */
export async function describeApi(): Promise<OpenAPIV3_1.Document> {
  const app = Fastify()
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => String)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Holdfast', version: '1.0.0', description },
      servers: [{ url: '/' }],
      tags,
      components: {
        securitySchemes: { accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
        headers: headerComponents,
      },
    },
    transform: createJsonSchemaTransform(options),
    transformObject: createJsonSchemaTransformObject(options),
  })
  app.register((scope, _options, done) => {
    for (const route of inReadingOrder())
      scope.route({
        method: route.method,
        url: route.url,
        exposeHeadRoute: false,
        schema: schemaOf(route),
        handler: () => '',
      })
    done()
  })
  await app.ready()
  const document = app.swagger() as OpenAPIV3_1.Document
  await app.close()
  return withHeaders(withoutUnused(document))
}

const options = {
  zodToJsonConfig: {
    // What zod adds and nobody reads: a screenful of regular expression behind a format, and the limits of JavaScript.
    override: ({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }) => {
      if (jsonSchema.format) delete jsonSchema.pattern
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
    },
  },
}

/** What several answers share is described once, under a name that a generated client can give its type. */
const { Experience, TimeSlot, Discount, Price, AppliedDiscounts, Refund, Pagination } = values
const { ReservationStatus, PaymentStatus, Outcome } = values
const models = {
  ...{ Experience, TimeSlot, PricedTimeSlot: catalog.PricedTimeSlot, Discount, Price, AppliedDiscounts, Pagination },
  ...{ Reservation: reservations.Reservation, ReservationStatus, PaymentStatus, Outcome, Refund },
  ...{ PaymentMethod: payments.PaymentMethod, Finding: operations.Finding },
}
for (const [id, schema] of Object.entries(models)) z.globalRegistry.add(schema, { id })

const names = new Map<unknown, string>(
  Object.entries({ ...reservations, ...payments, ...catalog, ...operations }).map(([name, value]) => [value, name]),
)

/** The way of a booking first. */
function inReadingOrder(): Route[] {
  const rank = (route: Route) => {
    const place = flow.indexOf(names.get(route) ?? '')
    return place < 0 ? flow.length : place
  }
  return allRoutes.toSorted((a, b) => rank(a) - rank(b))
}

function schemaOf(route: Route): FastifySchema {
  const headers = headersSchemaOf(route)
  return {
    operationId: names.get(route) ?? `${route.method} ${route.url}`,
    summary: route.summary,
    tags: [tagOf(route)],
    ...(route.auth === 'operator' && { description: 'Operators only: the Cognito group `operators`.' }),
    ...(route.auth !== 'none' && { security: [{ accessToken: [] }] }),
    ...(route.params && { params: route.params }),
    ...(route.query && { querystring: route.query }),
    ...(headers && { headers }),
    ...bodyOf(route),
    response: {
      [route.status ?? 200]: {
        description: 'Done',
        content: { 'application/json': { schema: route.reply } },
      },
      ...errorResponses(route),
    },
  }
}

const bodyOf = (route: Route) => {
  if (route.body) return { body: route.body }
  return route.auth === 'none' ? { body: z.looseObject({}).describe('An event of Stripe, exactly as signed') } : {}
}

const Key = z.string().min(1).max(255)

function headersSchemaOf(route: Route): z.ZodType | undefined {
  if (route.auth === 'none') return z.object({ 'stripe-signature': z.string() })
  if (route.method !== 'POST') return undefined
  const key = Key.describe(
    'A new UUID for each action of the user, kept for its retries: the same key and body answer what was answered ' +
      'first and run nothing. `Idempotency-Key` is accepted as well.',
  )
  return z.object({ 'x-idempotency-key': route.idempotency === 'required' ? key : key.optional() })
}

/** Each status with the codes that a client can meet under it on this route. */
function errorResponses(route: Route): Record<number, object> {
  const codes = codesOf(route)
  const statuses = [...new Set(codes.map((code) => errors[code].status))].sort((a, b) => a - b)
  const responses = statuses.map((status) => {
    const those = codes.filter((code) => errors[code].status === status)
    return [status, errorResponse(those.map((code) => ({ error: code, message: errors[code].message })))]
  })
  const internal = { error: 'Internal server error', message: 'An unexpected error occurred' }
  return Object.fromEntries([...responses, [500, errorResponse([internal])]])
}

function errorResponse(bodies: readonly { error: string; message: string }[]): object {
  const examples = bodies.map((body) => ({ ...body, requestId: '4b0c1a3e-8f57-4c39-9a53-0f1d2c3b4a59' }))
  const schema = z
    .object({
      error: z.enum(bodies.map(({ error }) => error)),
      message: z.string(),
      requestId: z.string(),
      details: z.unknown().optional(),
    })
    .meta({ examples })
  const text = bodies.map(({ error, message }) => `- \`${error}\`: ${message}`).join('\n')
  return { description: text, content: { 'application/json': { schema } } }
}

/** Each model is printed as it is sent and as it is answered, and most are only answered. */
function withoutUnused(document: OpenAPIV3_1.Document): OpenAPIV3_1.Document {
  const { schemas = {} } = document.components ?? {}
  const text = JSON.stringify(document)
  const unused = Object.keys(schemas).filter((name) => !text.includes(`"#/components/schemas/${name}"`))
  for (const name of unused) delete schemas[name]
  // Some may have been used by those alone.
  return unused.length > 0 ? withoutUnused(document) : document
}

function withHeaders(document: OpenAPIV3_1.Document): OpenAPIV3_1.Document {
  for (const path of Object.values(document.paths ?? {}))
    for (const operation of Object.values(path ?? {}) as OpenAPIV3_1.OperationObject[])
      for (const [status, response] of Object.entries(operation.responses ?? {}))
        Object.assign(response, { headers: headersOf(Number(status), operation) })
  return document
}
