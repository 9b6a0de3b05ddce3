import { readSeats } from '@holdfast/inventory/facts'
import { readTraffic } from '@holdfast/messaging/traffic'
import { readPayments, readPaymentTraffic } from '@holdfast/payment/facts'
import { readReservations } from '@holdfast/reservation/facts'
import type { Sources } from '@holdfast/verification/verification'
import type { Databases } from './databases.ts'

/** The facts as each service reads its own, without the services: they may be what is down. */
export function sourcesIn(databases: Databases): Sources {
  const inventory = databases.queries('inventory')
  const reservation = databases.queries('reservation')
  const payment = databases.queries('payment')
  return {
    reservations: (which) => readReservations(reservation, which),
    seats: (which) => readSeats(inventory, which),
    payments: (which) => readPayments(payment, which),
    traffic: (reservationId) =>
      Promise.all([
        readTraffic(inventory, reservationId).then((traffic) => ({ service: 'inventory' as const, traffic })),
        readTraffic(reservation, reservationId).then((traffic) => ({ service: 'reservation' as const, traffic })),
        readPaymentTraffic(payment, reservationId).then((traffic) => ({ service: 'payment' as const, traffic })),
      ]),
  }
}
