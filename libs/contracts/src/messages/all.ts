/** Importing this file declares every message of the system. */
import './inventory.ts'
import './payment.ts'
import './reservation.ts'
import './timeout.ts'

export { allMessages, definitionOf } from '../message.ts'
