import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkoutRoot } from './home.ts'

/** The images that testcontainers starts. Their versions stand where compose has them, and nowhere else. */
export function images({ HOLDFAST_RABBITMQ_IMAGE }: NodeJS.ProcessEnv): { postgres: string; rabbitmq: string } {
  return {
    postgres: find('docker-compose.yml', /^ *image: &postgres-image (\S+)$/m),
    // Compose's own, with the plugin, has to be built first; what it is built on does as well.
    rabbitmq: HOLDFAST_RABBITMQ_IMAGE || find('infra/rabbitmq/Dockerfile', /^FROM \$\{RABBITMQ_IMAGE:-(\S+)\}$/m),
  }
}

function find(file: string, where: RegExp): string {
  const found = where.exec(readFileSync(join(checkoutRoot, file), 'utf8'))?.[1]
  if (!found) throw new Error(`${file} does not name an image where it is looked for`)
  return found
}
