/** What the issuer answers when it refuses. */
export interface Decline {
  code: string
  decline_code?: string
  message: string
  advice_code?: string
}

const declined = (decline_code: string, message = 'Your card was declined.', advice_code?: string): Decline => ({
  code: 'card_declined',
  decline_code,
  message,
  ...(advice_code && { advice_code }),
})

export const declines = {
  generic: declined('generic_decline', 'Your card was declined.', 'try_again_later'),
  insufficientFunds: declined('insufficient_funds', 'Your card has insufficient funds.', 'try_again_later'),
  lost: declined('lost_card', 'Your card was declined.', 'do_not_try_again'),
  stolen: declined('stolen_card', 'Your card was declined.', 'do_not_try_again'),
  velocity: declined('card_velocity_exceeded', 'Your card was declined.', 'try_again_later'),
  fraudulent: declined('fraudulent', 'Your card was declined.', 'do_not_try_again'),
  expired: { code: 'expired_card', message: 'Your card has expired.', advice_code: 'do_not_try_again' },
  cvc: { code: 'incorrect_cvc', message: "Your card's security code is incorrect.", advice_code: 'confirm_card_data' },
  processing: {
    code: 'processing_error',
    message: 'An error occurred while processing your card. Try again in a little bit.',
    advice_code: 'try_again_later',
  },
  unauthenticated: {
    code: 'authentication_required',
    decline_code: 'authentication_required',
    message: 'Your card was declined. This transaction requires authentication.',
  },
  notATestCard: declined(
    'test_mode_live_card',
    'Your card was declined. Your request was in test mode, but used a non test (live) card. For a list of valid test cards, visit: https://stripe.com/docs/testing.',
  ),
} as const satisfies Record<string, Decline>

export type DeclineName = keyof typeof declines
/** When the issuer wants to see the customer. The two with `set_up` always do while the customer is there. */
export type Challenge = 'never' | 'unless_set_up' | 'always' | 'once_set_up_never'

export interface TestCard {
  number: string
  brand: 'visa' | 'mastercard' | 'amex' | 'discover' | 'diners' | 'jcb' | 'unionpay'
  funding: 'credit' | 'debit' | 'prepaid'
  /** Names after `pm_card_` and `tok_`. */
  tokens: string[]
  onCharge: DeclineName | 'succeeds'
  /** Attaching to a customer runs a check with the issuer, as does saving by a setup intent. */
  onAttach: DeclineName | 'succeeds'
  challenge: Challenge
}

const card = (
  number: string,
  brand: TestCard['brand'],
  tokens: string[],
  behaviour: Partial<Pick<TestCard, 'funding' | 'onCharge' | 'onAttach' | 'challenge'>> = {},
): TestCard => ({
  number,
  brand,
  tokens,
  funding: behaviour.funding ?? 'credit',
  onCharge: behaviour.onCharge ?? 'succeeds',
  onAttach: behaviour.onAttach ?? behaviour.onCharge ?? 'succeeds',
  challenge: behaviour.challenge ?? 'never',
})

/** Stripe's test cards (docs.stripe.com/testing) as far as a card payment can tell them apart. */
export const testCards: readonly TestCard[] = [
  card('4242424242424242', 'visa', ['visa']),
  card('4000056655665556', 'visa', ['visa_debit'], { funding: 'debit' }),
  card('5555555555554444', 'mastercard', ['mastercard']),
  card('2223003122003222', 'mastercard', []),
  card('5200828282828210', 'mastercard', ['mastercard_debit'], { funding: 'debit' }),
  card('5105105105105100', 'mastercard', ['mastercard_prepaid'], { funding: 'prepaid' }),
  card('378282246310005', 'amex', ['amex']),
  card('371449635398431', 'amex', []),
  card('6011111111111117', 'discover', ['discover']),
  card('3056930009020004', 'diners', ['diners']),
  card('3566002020360505', 'jcb', ['jcb']),
  card('6200000000000005', 'unionpay', ['unionpay']),
  card('4000002500003155', 'visa', ['authenticationRequiredOnSetup'], { challenge: 'unless_set_up' }),
  card('4000002760003184', 'visa', ['authenticationRequired'], { challenge: 'always' }),
  card('4000003800000446', 'visa', ['authenticationRequiredSetupForOffSession'], { challenge: 'once_set_up_never' }),
  card('4000000000003220', 'visa', ['threeDSecure2Required'], { challenge: 'always' }),
  card('4000000000003063', 'visa', ['threeDSecureRequired'], { challenge: 'always' }),
  card('4000008400001629', 'visa', ['threeDSecureRequiredChargeDeclined'], {
    challenge: 'always',
    onCharge: 'generic',
    onAttach: 'succeeds',
  }),
  card('4000008260003178', 'visa', ['authenticationRequiredChargeDeclinedInsufficientFunds'], {
    challenge: 'always',
    onCharge: 'insufficientFunds',
    onAttach: 'succeeds',
  }),
  card('4000000000000002', 'visa', ['chargeDeclined', 'visa_chargeDeclined'], { onCharge: 'generic' }),
  card('4000000000009995', 'visa', ['chargeDeclinedInsufficientFunds', 'visa_chargeDeclinedInsufficientFunds'], {
    onCharge: 'insufficientFunds',
  }),
  card('4000000000009987', 'visa', ['chargeDeclinedLostCard', 'visa_chargeDeclinedLostCard'], { onCharge: 'lost' }),
  card('4000000000009979', 'visa', ['chargeDeclinedStolenCard', 'visa_chargeDeclinedStolenCard'], {
    onCharge: 'stolen',
  }),
  card('4000000000006975', 'visa', ['chargeDeclinedVelocityLimitExceeded'], { onCharge: 'velocity' }),
  card('4100000000000019', 'visa', ['chargeDeclinedFraudulent', 'radarBlock'], {
    onCharge: 'fraudulent',
    onAttach: 'succeeds',
  }),
  card('4000000000000069', 'visa', ['chargeDeclinedExpiredCard'], { onCharge: 'expired' }),
  card('4000000000000127', 'visa', ['chargeDeclinedIncorrectCvc'], { onCharge: 'cvc' }),
  card('4000000000000119', 'visa', ['chargeDeclinedProcessingError'], { onCharge: 'processing' }),
  card('4000000000000341', 'visa', ['chargeCustomerFail'], { onCharge: 'generic', onAttach: 'succeeds' }),
]

const byNumber = new Map(testCards.map((row) => [row.number, row]))
const byToken = new Map(testCards.flatMap((row) => row.tokens.map((token) => [token, row] as const)))

export const cardByNumber = (number: string): TestCard | undefined => byNumber.get(number)
/** Knows `pm_card_visa` and `tok_visa`. */
export const cardByToken = (token: string): TestCard | undefined => byToken.get(token.replace(/^(pm_card|tok)_/, ''))

export interface Use {
  /** The customer is there to authenticate. */
  session: 'on' | 'off'
  authenticated: boolean
  /** This payment method was authenticated before with `setup_future_usage: off_session`. */
  setUp: boolean
}

/** What happens when a card is charged: money, a challenge to the customer, or a decline. */
export function chargeCard(test: TestCard, use: Use): 'charged' | 'challenged' | Decline {
  if (!use.authenticated && needsAuthentication(test.challenge, use)) {
    return use.session === 'on' ? 'challenged' : declines.unauthenticated
  }
  return test.onCharge === 'succeeds' ? 'charged' : declines[test.onCharge]
}

/** What happens when a card is saved without a charge. */
export function saveCard(test: TestCard, authenticated: boolean): 'saved' | 'challenged' | Decline {
  if (!authenticated && test.challenge !== 'never') return 'challenged'
  return test.onAttach === 'succeeds' ? 'saved' : declines[test.onAttach]
}

function needsAuthentication(challenge: Challenge, use: Use): boolean {
  switch (challenge) {
    case 'never':
      return false
    case 'always':
      return true
    case 'unless_set_up':
      return use.session === 'on' || !use.setUp
    case 'once_set_up_never':
      return use.session === 'on'
  }
}
