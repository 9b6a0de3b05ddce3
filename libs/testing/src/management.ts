/** RabbitMQ's management API at a URL with its user in it. What is not there, or has just gone, is no error. */
export async function manage(
  managementUrl: string | URL,
  method: 'GET' | 'PUT' | 'POST' | 'DELETE',
  path: string,
  body?: object,
): Promise<unknown> {
  const { username, password, origin } = new URL(managementUrl)
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const response = await fetch(new URL(path, origin), {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: body ? JSON.stringify(body) : null,
  })
  if (!response.ok && response.status !== 404) throw new Error(`${method} ${path}: ${response.status}`)
  const text = await response.text()
  return text === '' ? undefined : JSON.parse(text)
}

/** A virtual host as the API's paths name it. */
export const vhostOf = (rabbitmqUrl: string): string =>
  encodeURIComponent(decodeURIComponent(new URL(rabbitmqUrl).pathname.slice(1)) || '/')
