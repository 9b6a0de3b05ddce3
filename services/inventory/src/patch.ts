import { DomainError } from '@holdfast/contracts/errors'

/** A patch that changes nothing is a mistake of its sender. */
export function assertNotEmpty(patch: object): void {
  if (Object.values(patch).every((value) => value === undefined))
    throw new DomainError('VALIDATION_ERROR', [{ path: 'body', message: 'must change something' }])
}
