import { describe } from '@jest/globals'
import { catalogue } from './contract/catalogue.ts'
import { doors } from './contract/doors.ts'
import { reservationEndpoints } from './contract/reservations.ts'
import { savedCards } from './contract/saved-cards.ts'
import { strangers } from './contract/strangers.ts'
import { stackOfThisFile } from './support/stack.ts'

/** Every endpoint, answer by answer and field by field; and that it is there for its owner alone. */
const stack = stackOfThisFile()

describe('the catalogue', () => catalogue(stack))
describe('reservations', () => reservationEndpoints(stack))
describe('saved cards', () => savedCards(stack))
describe('strangers', () => strangers(stack))
describe('open doors', () => doors(stack))
