import { type Message, type MessageDefinition, typeOf } from '@holdfast/contracts/message'
import * as inventory from '@holdfast/contracts/messages/inventory'
import * as payment from '@holdfast/contracts/messages/payment'
import * as reservation from '@holdfast/contracts/messages/reservation'
import { messageIdOf } from '@holdfast/messaging/envelope'

/**
 * An inbox knows ids and types, not what a message was about. But an id follows from what the message says (ADR 3), so the
 * ids of all that can have been said about a booking can be computed.
 */
export interface Known {
  readonly reservationId: string
  readonly holdExpiresAt: string | undefined
  readonly intentIds: readonly string[]
  readonly refundIds: readonly string[]
  /** Of its payment: how often progress was told. */
  readonly revision: number
}

const byReservation = [
  inventory.ConfirmSeats,
  inventory.ReleaseSeats,
  inventory.ReacquireSeats,
  inventory.SeatsConfirmed,
  inventory.SeatsReleased,
  inventory.SeatsReacquired,
  inventory.SeatsRefused,
  payment.ClosePayment,
  payment.PaymentClosed,
]

/** Message id → its type. */
export function possibleMessages(known: Known): Map<string, string> {
  const { reservationId, holdExpiresAt, intentIds, refundIds, revision } = known
  const said: [MessageDefinition, object][] = [
    ...byReservation.map((definition): [MessageDefinition, object] => [definition, { reservationId }]),
    ...(holdExpiresAt
      ? [[reservation.HoldDue, { reservationId, dueAt: holdExpiresAt }] satisfies [MessageDefinition, object]]
      : []),
    ...intentIds.flatMap((paymentIntentId): [MessageDefinition, object][] => [
      [payment.PaymentCaptured, { paymentIntentId }],
      [payment.RefundPayment, { paymentIntentId }],
      ...Array.from({ length: revision }, (_, n): [MessageDefinition, object] => [
        payment.PaymentProgressed,
        { paymentIntentId, revision: n + 1 },
      ]),
    ]),
    ...refundIds.map((refundId): [MessageDefinition, object] => [payment.PaymentRefunded, { refund: { refundId } }]),
  ]
  // Only what the key is made of is there, and only the key is asked for.
  return new Map(said.map(([definition, body]) => [messageIdOf({ definition, body } as Message), typeOf(definition)]))
}
