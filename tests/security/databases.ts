import { dirname } from 'node:path'
import { createDatabases, databaseNames } from '@holdfast/local/databases'
import { openHome } from '@holdfast/local/home'
import { describe, expect, test } from '@jest/globals'
import pg from 'pg'
import type { TestStack } from '../support/stack.ts'

/** Client secrets and guests' names are in tables: each is for the one service whose tables they are. */
export function databases(stack: TestStack): void {
  const urlTo = (role: (typeof databaseNames)[number], database: string) => {
    const url = new URL(stack.running.stack.databases[role])
    url.pathname = `/${database}`
    return url.href
  }
  async function query(url: string, sql = 'select 1') {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      return (await client.query(sql)).rows
    } finally {
      await client.end()
    }
  }
  /** insufficient_privilege */
  const forbidden = { code: '42501' }
  const pairs = databaseNames.flatMap((role) => databaseNames.map((database) => [role, database] as const))

  describe.each(databaseNames)('the role of %s', (role) => {
    test.each(pairs.filter(([from, to]) => from === role && to !== role))('%s connects to no %s', async (_from, to) => {
      await expect(query(urlTo(role, to))).rejects.toMatchObject(forbidden)
    })

    test('cannot become another, make one, or read what the server keeps', async () => {
      const own = urlTo(role, role)
      await expect(query(own)).resolves.toHaveLength(1)
      for (const other of [...databaseNames.filter((name) => name !== role), 'postgres'])
        await expect(query(own, `set role ${other}`)).rejects.toMatchObject(forbidden)
      for (const sql of [
        'create role intruder',
        'create database intruder',
        `alter role ${databaseNames.find((name) => name !== role)} password 'x'`,
        'select rolpassword from pg_authid',
        `select pg_read_file('pg_hba.conf')`,
        `copy (select 1) to program 'id'`,
      ])
        await expect(query(own, sql)).rejects.toMatchObject(forbidden)
    })

    test('needs its password', async () => {
      const url = new URL(urlTo(role, role))
      url.password = 'guessed'
      await expect(query(url.href)).rejects.toMatchObject({ code: '28P01' })
    })
  })

  test('a start that was interrupted is made good by the next one', async () => {
    const home = openHome(dirname(dirname(stack.running.stack.processes[0]?.log ?? '')))
    const admin = new URL(urlTo('payment', 'postgres'))
    Object.assign(admin, { username: 'postgres', password: home.secret('postgres') })
    await query(admin.href, 'grant connect on database payment to public')
    await expect(query(urlTo('inventory', 'payment'))).resolves.toHaveLength(1)
    expect(await createDatabases(admin, home)).toEqual(stack.running.stack.databases)
    await expect(query(urlTo('inventory', 'payment'))).rejects.toMatchObject(forbidden)
  })
}
