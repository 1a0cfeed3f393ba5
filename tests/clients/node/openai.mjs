// OpenAI's own client for Node, with nothing but its base URL changed.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import OpenAI from 'openai'

const { APIMODELS_API_KEY: apiKey, APIMODELS_BASE_URL: baseURL, MODEL: model } = process.env
const client = new OpenAI({ apiKey, baseURL, maxRetries: 0 })

const made = await client.images.generate({ model, prompt: 'a fox', n: 2, size: '1024x1024' })
assert.equal(made.data.length, 2)
assert.equal(Buffer.from(made.data[0].b64_json, 'base64').toString('latin1', 1, 4), 'PNG')

const edited = await client.images.edit({
  model,
  image: fs.createReadStream('cat.png'),
  prompt: 'in a boat',
  size: '1024x1024',
  response_format: 'url',
})
assert.equal((await fetch(edited.data[0].url)).headers.get('content-type'), 'image/png')

const ids = []
for await (const each of client.models.list()) ids.push(each.id)
assert(ids.includes(model))

await assert.rejects(client.images.generate({ model, prompt: 'contraband', size: 'auto' }), (error) => {
  assert(error instanceof OpenAI.BadRequestError)
  assert.equal(error.code, 'moderation_blocked')
  return true
})
