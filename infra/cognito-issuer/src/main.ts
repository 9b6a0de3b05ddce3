import { z } from 'zod'
import { startCognitoIssuer } from './issuer.ts'

const Environment = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535),
  COGNITO_USER_POOL_ID: z.string().regex(/^[a-z]{2}-[a-z-]+-\d_[A-Za-z0-9]+$/, 'must look like us-east-1_Holdfast1'),
  COGNITO_CLIENT_ID: z.string().min(1),
  COGNITO_ISSUER_DATA: z.string().min(1),
  NODE_ENV: z.string().optional(),
})

const environment = Environment.parse(process.env)
const issuer = await startCognitoIssuer({
  host: environment.HOST,
  port: environment.PORT,
  poolId: environment.COGNITO_USER_POOL_ID,
  clientId: environment.COGNITO_CLIENT_ID,
  dataDir: environment.COGNITO_ISSUER_DATA,
  nodeEnv: environment.NODE_ENV,
})
process.stdout.write(`Cognito stand-in listening on ${issuer.url}\n`)
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void issuer.close().finally(() => process.exit(0)))
}
