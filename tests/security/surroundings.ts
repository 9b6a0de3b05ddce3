import type { TestStack } from '../support/stack.ts'

/** The services as they are reached past the gateway. */
export const serviceNames = ['inventory', 'reservation', 'payment'] as const

export function urlOf(stack: TestStack, name: string): string {
  const url = stack.running.stack.processes.find((process) => process.name === name)?.url
  if (!url) throw new Error(`${name} is not running`)
  return url
}

/** How many requests a service has answered on a route, by its own count. */
export async function requestsOn(stack: TestStack, name: string, route: string): Promise<number> {
  const text = await (await fetch(new URL('/metrics', urlOf(stack, name)))).text()
  const counts = text.split('\n').filter((line) => line.startsWith('holdfast_http_request_seconds_count{'))
  return counts
    .filter((line) => line.includes(`route="${route}"`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}
