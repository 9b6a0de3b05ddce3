import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { findRabbitmqServer } from './rabbitmq.ts'
import type { Context } from './session.ts'

/**
 * Debian starts a service it installs. policy-rc.d forbids it while we install, and systemd is told not to start it
 * at the next boot either: ours is a private instance, and nobody asked for another.
 */
const script = `
set -e
export DEBIAN_FRONTEND=noninteractive
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq
apt-get install -y -qq -o DPkg::Lock::Timeout=300 --no-install-recommends rabbitmq-server
if [ -d /run/systemd/system ]; then systemctl disable --now rabbitmq-server || true; fi
`

/** The server's start script, installed by apt if that can be done without asking anybody. */
export async function rabbitmqServer({ environment, say }: Pick<Context, 'environment' | 'say'>): Promise<string> {
  const found = findRabbitmqServer(environment)
  if (found) return found
  const asRoot = rootPrefix()
  if (!has('apt-get') || !asRoot) throw new Error(whatToInstall)
  say('RabbitMQ is not on this machine: installing it with apt-get (about a minute) …')
  const [command = 'sh', ...args] = [...asRoot, 'sh', '-c', script]
  const said = await run(command, args).catch((failure: Error & { stdout?: string; stderr?: string }) => {
    const output = tail(`${failure.stdout}${failure.stderr}`)
    throw new Error(`apt-get could not install RabbitMQ:\n${output}\n${whatToInstall}`, { cause: failure })
  })
  const installed = findRabbitmqServer(environment)
  if (!installed) throw new Error(`apt-get installed RabbitMQ somewhere unexpected:\n${tail(said.stdout)}`)
  return installed
}

const whatToInstall =
  'RabbitMQ is needed. Install the package rabbitmq-server (Debian, Ubuntu: sudo apt-get install rabbitmq-server; ' +
  'macOS: brew install rabbitmq), or start a Docker engine, or set RABBITMQ_URL.'

function run(command: string, args: string[]): Promise<{ stdout: string }> {
  return promisify(execFile)(command, args, { encoding: 'utf8', timeout: 10 * 60_000, maxBuffer: 64_000_000 })
}

function rootPrefix(): string[] | undefined {
  if (process.getuid?.() === 0) return []
  return has('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : undefined
}

function has(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' }).status === 0
}

function tail(text: string): string {
  return text.trimEnd().split('\n').slice(-15).join('\n')
}
