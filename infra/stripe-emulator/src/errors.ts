/** What an error body carries beside its type and message; names are Stripe's. */
export interface ErrorDetails {
  code?: string
  param?: string
  decline_code?: string
  [member: string]: unknown
}

export interface ErrorBody extends ErrorDetails {
  type: 'invalid_request_error' | 'card_error' | 'idempotency_error' | 'api_error'
  message: string
}

/** A refusal: nothing the operation did is kept. A decline is not one of these, for its failed charge stays. */
export class Refusal extends Error {
  readonly status: number
  readonly body: ErrorBody
  readonly headers: Record<string, string>

  constructor(status: number, body: ErrorBody, headers: Record<string, string> = {}) {
    super(body.message)
    this.status = status
    this.body = withDocUrl(body)
    this.headers = headers
  }
}

export function withDocUrl<B extends ErrorBody>(body: B): B {
  if (body.code === undefined) return body
  return { ...body, doc_url: `https://stripe.com/docs/error-codes/${body.code.replaceAll('_', '-')}` }
}

const invalid = (message: string, details: ErrorDetails = {}, status = 400): Refusal =>
  new Refusal(status, { type: 'invalid_request_error', message, ...details })

const HELP = 'or we can help at https://support.stripe.com/.'
const KEYS = 'You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys.'

/** Every error this emulator answers with, once. Messages and codes as Stripe's API words them. */
export const errors = {
  noKey: () =>
    new Refusal(
      401,
      {
        type: 'invalid_request_error',
        message: `You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, ${HELP}`,
      },
      { 'www-authenticate': 'Bearer realm="Stripe"' },
    ),
  wrongKey: (key: string) => invalid(`Invalid API Key provided: ${maskKey(key)}`, {}, 401),
  secretKeyRequired: () =>
    invalid(
      `This API call cannot be made with a publishable API key. Please use a secret API key. ${KEYS}`,
      { code: 'secret_key_required' },
      401,
    ),
  unknownUrl: (method: string, path: string) =>
    invalid(
      `Unrecognized request URL (${method}: ${path}). Please see https://stripe.com/docs ${HELP}`,
      { code: undefined },
      404,
    ),
  notAForm: () =>
    invalid(
      `Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any questions, we can help at https://support.stripe.com/.`,
    ),
  tooLarge: () => invalid('Request entity too large', {}, 413),
  wrongVersion: (version: string) => invalid(`Invalid Stripe API version: ${version}`),

  parameterUnknown: (params: string[]) =>
    invalid(`Received unknown parameter${params.length > 1 ? 's' : ''}: ${params.join(', ')}`, {
      code: 'parameter_unknown',
      param: params[0] ?? '',
    }),
  parameterMissing: (param: string) =>
    invalid(`Missing required param: ${param}.`, { code: 'parameter_missing', param }),
  oneOfMissing: (params: string[]) =>
    invalid(`One of the following params should be provided for this request: ${params.join(' or ')}.`, {
      code: 'parameter_missing',
    }),
  parametersExclusive: (params: string[]) =>
    invalid(`You may only specify one of these parameters: ${params.join(', ')}.`, { code: 'parameters_exclusive' }),
  parameterEmpty: (param: string) =>
    invalid(
      `You passed an empty string for '${param}'. We assume empty values are an attempt to unset a parameter; however '${param}' cannot be unset. You should remove '${param}' from your request or supply a non-empty value.`,
      { code: 'parameter_invalid_empty', param },
    ),
  notAnInteger: (param: string, value: string) =>
    invalid(`Invalid integer: ${value}`, { code: 'parameter_invalid_integer', param }),
  belowMinimum: (param: string, minimum: number) =>
    invalid(`This value must be greater than or equal to ${minimum}.`, { code: 'parameter_invalid_integer', param }),
  aboveMaximum: (param: string, maximum: number) =>
    invalid(`This value must be less than or equal to ${maximum}.`, { code: 'parameter_invalid_integer', param }),
  notABoolean: (param: string, value: string) => invalid(`Invalid boolean: ${value}`, { param }),
  notAString: (param: string) => invalid('Invalid string: value is an object or an array', { param }),
  tooLong: (param: string, maximum: number, length: number) =>
    invalid(
      `Invalid string: the value of '${param}' is ${length} characters long; it must be at most ${maximum} characters`,
      { param },
    ),
  notAnObject: (param: string) => invalid('Invalid object', { param }),
  notAnArray: (param: string) => invalid('Invalid array', { param }),
  notInEnum: (param: string, values: readonly string[]) =>
    invalid(`Invalid ${param}: must be one of ${listInWords(values)}`, { param }),
  metadataTooMany: (count: number) =>
    invalid(`Metadata can have up to 50 keys, but you passed in ${count}.`, { param: 'metadata' }),
  metadataKeyTooLong: (key: string) =>
    invalid(`Metadata keys can have up to 40 characters, but you passed in a key that is ${key.length} characters.`, {
      param: 'metadata',
    }),
  metadataValueTooLong: (key: string, value: string) =>
    invalid(
      `Metadata values can have up to 500 characters, but you passed in a value that is ${value.length} characters. Invalid value: ${value}`,
      { param: `metadata[${key}]` },
    ),
  unsupported: (param: string) =>
    invalid(`The Stripe emulator does not implement the parameter '${param}'.`, { param }),

  /** 404 when the id stands in the path, 400 when it came as a parameter. */
  noSuch: (what: string, id: string, param: string, status: 400 | 404) =>
    invalid(`No such ${what}: '${id}'`, { code: 'resource_missing', param }, status),
  cannotExpand: (path: string) => invalid(`This property cannot be expanded (${path}).`),
  expandTooDeep: (path: string) => invalid(`You cannot expand more than 4 levels of a property. Property: ${path}`),

  idempotencyMismatch: (key: string) =>
    new Refusal(400, {
      type: 'idempotency_error',
      message: `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`,
    }),
  idempotencyOtherEndpoint: (key: string, first: string, now: string) =>
    new Refusal(400, {
      type: 'idempotency_error',
      message: `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${now}' vs '${first}'). Try using a key other than '${key}' if you meant to execute a different request.`,
    }),
  idempotencyInUse: (key: string) =>
    new Refusal(409, {
      type: 'idempotency_error',
      code: 'idempotency_key_in_use',
      message: `There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): ${key}. Please try again later.`,
    }),
  idempotencyKeyTooLong: () => invalid('Idempotency keys may be at most 255 characters long.'),

  rateLimited: () =>
    new Refusal(
      429,
      {
        type: 'invalid_request_error',
        code: 'rate_limit',
        message:
          'Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits.',
      },
      { 'stripe-rate-limited-reason': 'global-rate' },
    ),
  apiError: () =>
    new Refusal(500, {
      type: 'api_error',
      message:
        'Sorry! There was an error while talking to one of our backends. Support has been notified. Please try again later.',
    }),

  amountTooSmall: (formatted: string) =>
    invalid(`Amount must be at least ${formatted}`, { code: 'amount_too_small', param: 'amount' }),
  amountTooLarge: (formatted: string) =>
    invalid(`Amount must be no more than ${formatted}`, { code: 'amount_too_large', param: 'amount' }),
  invalidCurrency: (currency: string, known: string) =>
    invalid(`Invalid currency: ${currency}. Stripe currently supports these currencies: ${known}`, {
      param: 'currency',
    }),
  refused: (message: string, details: ErrorDetails = {}) => invalid(message, details),
  cardError: (message: string, details: ErrorDetails) => new Refusal(402, { type: 'card_error', message, ...details }),
  intentState: (message: string, member: 'payment_intent' | 'setup_intent', intent: object) =>
    invalid(message, { code: `${member}_unexpected_state`, [member]: intent }),
}

function maskKey(key: string): string {
  if (key.length <= 12) return '*'.repeat(key.length)
  return `${key.slice(0, 8)}${'*'.repeat(key.length - 12)}${key.slice(-4)}`
}

function listInWords(values: readonly string[]): string {
  if (values.length <= 2) return values.join(' or ')
  return `${values.slice(0, -1).join(', ')}, or ${values.at(-1)}`
}
