import { catalogue } from './contract/catalogue.ts'
import { doors } from './contract/doors.ts'
import { reservationEndpoints } from './contract/reservations.ts'
import { savedCards } from './contract/saved-cards.ts'
import { strangers } from './contract/strangers.ts'
import { stackOfThisFile } from './support/stack.ts'

/** Every endpoint, answer by answer and field by field; and that it is there for its owner alone. */
const stack = stackOfThisFile()

catalogue(stack)
reservationEndpoints(stack)
savedCards(stack)
strangers(stack)
doors(stack)
