/**
 * What is sent in the same turn of the event loop to the same place travels as one message. A crowd's questions come in
 * bursts (the statement before them was one for all), and RabbitMQ's cost is by the message, not by the byte. Nobody waits
 * for a bundle to fill.
 */
export function createBundler<Item>(
  limit: number,
  post: (place: string, items: readonly Item[]) => void,
): (place: string, item: Item) => void {
  const waiting = new Map<string, Item[]>()

  function flush(place: string): void {
    const items = waiting.get(place) ?? []
    waiting.delete(place)
    for (let from = 0; from < items.length; from += limit) post(place, items.slice(from, from + limit))
  }

  return (place, item) => {
    const items = waiting.get(place)
    if (items) {
      items.push(item)
      return
    }
    waiting.set(place, [item])
    setImmediate(flush, place)
  }
}
