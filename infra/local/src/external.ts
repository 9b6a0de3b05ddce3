import type { Home } from './home.ts'

/** Stripe's and Cognito's settings: the real ones where the environment names them, else our stand-ins'. */
export interface External {
  readonly stripe: { secretKey: string; publishableKey: string; webhookSecret: string; real: boolean }
  readonly cognito: { poolId: string; clientId: string; real: boolean }
}

export function externalSettings(home: Home, environment: NodeJS.ProcessEnv): External {
  return { stripe: stripeSettings(home, environment), cognito: cognitoSettings(environment) }
}

function stripeSettings(home: Home, environment: NodeJS.ProcessEnv): External['stripe'] {
  const { STRIPE_SECRET_KEY: secretKey, STRIPE_PUBLISHABLE_KEY: publishableKey } = environment
  const webhookSecret = environment.STRIPE_WEBHOOK_SECRET
  const emulator = {
    secretKey: `sk_test_holdfast${home.secret('stripe-secret-key')}`,
    publishableKey: `pk_test_holdfast${home.secret('stripe-publishable-key')}`,
    webhookSecret: `whsec_${home.secret('stripe-webhook-secret')}`,
    real: false,
  }
  if (!secretKey || secretKey === emulator.secretKey) return emulator
  if (!publishableKey || !webhookSecret) {
    throw new Error('STRIPE_SECRET_KEY is set; STRIPE_PUBLISHABLE_KEY and STRIPE_WEBHOOK_SECRET are needed with it.')
  }
  return { secretKey, publishableKey, webhookSecret, real: true }
}

function cognitoSettings({
  COGNITO_USER_POOL_ID: pool,
  COGNITO_CLIENT_ID: client,
}: NodeJS.ProcessEnv): External['cognito'] {
  const standIn = { poolId: 'us-east-1_Holdfast1', clientId: 'holdfastlocal', real: false }
  if (pool === standIn.poolId && client === standIn.clientId) return standIn
  if (pool && client) return { poolId: pool, clientId: client, real: true }
  if (pool || client) throw new Error('COGNITO_USER_POOL_ID and COGNITO_CLIENT_ID are set together or not at all.')
  return standIn
}
