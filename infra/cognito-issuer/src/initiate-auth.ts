import { z } from 'zod'
import { type TokenMint, type Tokens, tokenSeconds, type User } from './tokens.ts'

/** Everybody's password: this issuer is for one machine. */
export const localPassword = 'holdfast'
export const operators = 'operators'
export const operationPrefix = 'AWSCognitoIdentityProviderService.'

/** An error in Cognito's shape: `{ __type, message }`, status 400. */
export class CognitoError extends Error {
  readonly type: string
  constructor(type: string, message: string) {
    super(message)
    this.type = type
  }
}

const InitiateAuth = z.object({
  AuthFlow: z.string(),
  ClientId: z.string(),
  AuthParameters: z.record(z.string(), z.string()).default({}),
})

/** Cognito's InitiateAuth with USER_PASSWORD_AUTH or REFRESH_TOKEN_AUTH. */
export async function initiateAuth(body: unknown, clientId: string, mint: TokenMint): Promise<object> {
  const request = InitiateAuth.safeParse(body)
  if (!request.success) {
    const [issue] = request.error.issues
    throw new CognitoError('InvalidParameterException', `${issue?.path.join('.')}: ${issue?.message}`)
  }
  const { AuthFlow, ClientId, AuthParameters } = request.data
  if (ClientId !== clientId) {
    throw new CognitoError('ResourceNotFoundException', `User pool client ${ClientId} does not exist.`)
  }
  switch (AuthFlow) {
    case 'USER_PASSWORD_AUTH':
      return answer(await mint.issue(byPassword(AuthParameters)), true)
    case 'REFRESH_TOKEN_AUTH':
    case 'REFRESH_TOKEN':
      // Cognito, too, gives no new refresh token for a refresh token.
      return answer(await mint.issue(await byRefreshToken(AuthParameters, mint)), false)
    default:
      throw new CognitoError('InvalidParameterException', `${AuthFlow} is not enabled for the client.`)
  }
}

export function userNamed(username: string, groups: readonly string[] = []): User {
  return { username, groups: username === 'operator' ? [...new Set([operators, ...groups])] : groups }
}

function byPassword(parameters: Record<string, string>): User {
  const username = parameter(parameters, 'USERNAME')
  if (parameter(parameters, 'PASSWORD') !== localPassword) {
    throw new CognitoError('NotAuthorizedException', 'Incorrect username or password.')
  }
  return userNamed(username)
}

async function byRefreshToken(parameters: Record<string, string>, mint: TokenMint): Promise<User> {
  const token = parameter(parameters, 'REFRESH_TOKEN')
  try {
    return await mint.userOfRefreshToken(token)
  } catch {
    throw new CognitoError('NotAuthorizedException', 'Invalid Refresh Token')
  }
}

function parameter(parameters: Record<string, string>, name: string): string {
  const value = parameters[name]
  if (!value) throw new CognitoError('InvalidParameterException', `Missing required parameter ${name}`)
  return value
}

function answer(tokens: Tokens, withRefreshToken: boolean): object {
  return {
    AuthenticationResult: {
      AccessToken: tokens.accessToken,
      ExpiresIn: tokenSeconds,
      IdToken: tokens.idToken,
      ...(withRefreshToken && { RefreshToken: tokens.refreshToken }),
      TokenType: 'Bearer',
    },
    ChallengeParameters: {},
  }
}
