// Vercel's AI SDK, by its provider for addresses that speak OpenAI's shape.
import assert from 'node:assert/strict'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import * as ai from 'ai'

const { APIMODELS_API_KEY: apiKey, APIMODELS_BASE_URL: baseURL, MODEL } = process.env
const generate = ai.generateImage ?? ai.experimental_generateImage
const provider = createOpenAICompatible({ name: 'apimodels', apiKey, baseURL })
const model = provider.imageModel(MODEL)

const { images } = await generate({ model, prompt: 'a fox', n: 2, size: '1024x1024', maxRetries: 0 })
assert.equal(images.length, 2)
assert.equal(images[0].mediaType, 'image/png')

// It reads the words of a refusal out of OpenAI's `error`.
await assert.rejects(generate({ model, prompt: 'contraband', size: '1024x1024', maxRetries: 0 }), (error) => {
  assert.match(error.message, /Content policy violation/)
  return true
})
const unknown = provider.imageModel('no-such-model')
await assert.rejects(generate({ model: unknown, prompt: 'a fox', maxRetries: 0 }), (error) => {
  assert.match(error.message, /Invalid model: no-such-model/)
  return true
})
